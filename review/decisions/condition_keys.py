"""The condition keys that requests are known to carry, and which of them hold several values.

Written from the IAM user guide and the Service Authorization Reference, for the services that a
private fine-tuning environment touches. A key that is not here is an error where it decides: AWS
takes a misspelt key for an absent one, so that a Deny on it may never deny.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from typing import Final

from review.decisions.errors import UnknownConditionKeyError

_SINGLE: Final = {
    "aws": """
        AssumedRoot CalledViaAWSMCP CalledViaFirst CalledViaLast ChatbotSourceArn CurrentTime
        Ec2InstanceSourcePrivateIPv4 Ec2InstanceSourceVpc EpochTime FederatedProvider
        IsMcpServiceAction MultiFactorAuthAge MultiFactorAuthPresent PrincipalAccount PrincipalArn
        PrincipalIsAWSService PrincipalOrgID PrincipalServiceName PrincipalType Referer
        RequestedRegion ResourceAccount ResourceOrgID SecureTransport
        SourceAccount SourceArn SourceIdentity SourceIp SourceOrgID SourceOwner SourceVpc
        SourceVpcArn SourceVpce TokenIssueTime UserAgent userid username ViaAWSMCPService
        ViaAWSService VpceAccount VpceOrgID VpcSourceIp
    """,
    "bedrock": """
        BearerTokenType DataRetentionMode GuardrailIdentifier InferenceProfileArn
        InlineAgentName ModelArn ProjectArn PromptRouterArn ServiceTier
        ThirdPartyKnowledgeBaseCredentialsSecretArn
    """,
    "cloudformation": """
        ChangeSetName CreateAction ImportResourceTypes RoleArn StackPolicyUrl TemplateUrl
        TypeArn
    """,
    "cloudwatch": "HasAccessGrant namespace",
    "dynamodb": """
        EnclosingOperation FisActionId FullTableScan ReturnConsumedCapacity ReturnValues Select
    """,
    "ec2": """
        AccepterVpc AllocationId AssociatePublicIpAddress Attribute AuthenticationType
        AuthorizedService AuthorizedUser AutoPlacement AvailabilityZone AvailabilityZoneId
        BootModeOverride CapacityReservationFleet ClientRootCertificateChainArn
        CloudwatchLogGroupArn CloudwatchLogStreamArn CommitmentDuration CpuOptionsAmdSevSnp
        CreateAction CreateDate DestinationCapacityReservationId DhcpOptionsID DirectoryArn
        Domain DPDTimeoutSeconds EbsOptimized ElasticGpuType Encrypted EndDate EndDateType
        EphemeralStorage FisActionId GatewayType HostRecovery ImageID ImageType InsideTunnelCidr
        InsideTunnelIpv6Cidr InstanceAutoRecovery InstanceBandwidthWeighting InstanceCount
        InstanceID InstanceMarketType InstanceMatchCriteria InstanceMetadataTags
        InstancePlatform InstanceProfile InstanceType InternetGatewayID
        InterruptibleCapacityReservationId InterruptionType IpamPrefixListResolverTargetId
        Ipv4IpamPoolId Ipv6IpamPoolId IsInterruptible IsLaunchTemplateResource KeyPairName
        KeyPairType KmsKeyId LaunchTemplate Location ManagedResourceOperator
        MetadataHttpEndpoint MetadataHttpPutResponseHopLimit MetadataHttpTokens NetworkAclID
        NetworkInterfaceID NewInstanceProfile OutpostArn Owner ParentSnapshot ParentVolume
        Permission Phase1LifetimeSeconds Phase2LifetimeSeconds PlacementGroup PlacementGroupName
        PlacementGroupStrategy ProductCode Public PublicIpAddress Quantity Region
        RekeyFuzzPercentage RekeyMarginTimeSeconds ReplayWindowSizePackets RequesterVpc
        ReservedInstancesOfferingType RoleDelivery RootDeviceType RouteTableID RoutingType
        SamlProviderArn SecurityGroupID ServerCertificateArn SnapshotCoolOffPeriod SnapshotID
        SnapshotLockDuration SnapshotTime SourceAvailabilityZone SourceCapacityReservationId
        SourceInstanceARN SourceOutpostArn Subnet SubnetID TargetInstanceCount Tenancy
        transitGatewayAttachmentId transitGatewayConnectPeerId transitGatewayId
        transitGatewayMeteringPolicyId transitGatewayMulticastDomainId
        transitGatewayPolicyTableId transitGatewayRouteTableAnnouncementId
        transitGatewayRouteTableId VolumeID VolumeInitializationRate VolumeIops VolumeSize
        VolumeThroughput VolumeType Vpc VpceMultiRegion VpcePrivateDnsPreference VpceServiceName
        VpceServiceOwner VpceServicePrivateDnsName VpceServiceRegion VpceSupportedRegion VpcID
        VpcPeeringConnectionID
    """,
    "events": """
        ContentFilterPresent creatorAccount detail.eventTypeCode detail.service
        detail.userIdentity.principalId eventBusInvocation ManagedBy PolicyName
    """,
    "iam": """
        AssociatedResourceArn AWSServiceName DelegationDuration DelegationRequestOwner
        FIDO-certification FIDO-FIPS-140-2-certification FIDO-FIPS-140-3-certification
        NotificationChannel OrganizationsPolicyId PassedToService PermissionsBoundary PolicyARN
        RegisterSecurityKey RoleTemplateARN ServiceSpecificCredentialAgeDays
        ServiceSpecificCredentialServiceName TemplateArn
    """,
    "kms": """
        BypassPolicyLockoutSafetyCheck CallerAccount CustomerMasterKeySpec
        CustomerMasterKeyUsage DataKeyPairSpec EncryptionAlgorithm ExpirationModel
        GrantConstraintSourceArn GrantConstraintType GranteePrincipal GranteeServicePrincipal
        GrantIsForAWSResource KeyAgreementAlgorithm KeyOrigin KeySpec KeyUsage MacAlgorithm
        MessageType MultiRegion MultiRegionKeyType PrimaryRegion ReEncryptOnSameKey
        ReplicaRegion RequestAlias RetiringPrincipal RetiringServicePrincipal
        RotationPeriodInDays ScheduleKeyDeletionPendingWindowInDays SigningAlgorithm
        TrailingDaysWithoutKeyUsage ValidTo ViaService WrappingAlgorithm WrappingKeySpec
    """,
    "lambda": """
        CodeSigningConfigArn EventSourceToken FunctionArn FunctionUrlAuthType
        InvokedViaFunctionUrl Principal SourceFunctionArn VpcIds
    """,
    "logs": "data_source_name data_source_type DeliveryDestinationResourceArn",
    "s3": """
        AccessGrantScope AccessGrantsInstanceArn AccessGrantsLocationScope
        AccessPointNetworkOrigin annotation-prefix authType DataAccessPointAccount
        DataAccessPointArn delimiter deliverySourceArn destinationRegion ExistingJobOperation
        ExistingJobPriority if-match if-none-match isReplicationPauseRequest JobSuspendedCause
        locationconstraint logType max-annotation-results max-keys object-lock-event-hold
        object-lock-event-hold-duration-days object-lock-legal-hold object-lock-mode
        object-lock-remaining-retention-days object-lock-retain-until-date
        ObjectCreationOperation prefix RequestJobOperation RequestJobPriority ResourceAccount
        resourceArnBeingAuthorized signatureAge signatureversion TlsVersion versionid x-amz-acl
        x-amz-bucket-namespace x-amz-content-sha256 x-amz-copy-source x-amz-grant-full-control
        x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp
        x-amz-metadata-directive x-amz-object-annotation-directive x-amz-object-if-match
        x-amz-object-ownership x-amz-server-side-encryption
        x-amz-server-side-encryption-aws-kms-key-id
        x-amz-server-side-encryption-customer-algorithm x-amz-storage-class
        x-amz-website-redirect-location
    """,
    "sns": "Endpoint Protocol",
    "ssm": """
        AccessRequestId AutoApprove DocumentType NodeAccountId NodeOrgId Overwrite Policies
        Recursive SessionDocumentAccessCheck SourceInstanceARN SyncType
    """,
    "states": "HTTPEndpoint HTTPMethod",
    "sts": """
        AWSServiceName DurationSeconds ExternalId RoleAuthorizedByIdp RoleSessionName
        SigningAlgorithm SourceIdentity TaskPolicyArn
    """,
}
_SEVERAL: Final = {
    "aws": """
        CalledVia PrincipalOrgPaths PrincipalServiceNamesList ResourceOrgPaths SourceOrgPaths
        TagKeys VpceOrgPaths
    """,
    "cloudformation": "ResourceTypes TargetRegion",
    "cloudwatch": "AlarmActions requestInsightRuleLogGroups requestManagedResourceARNs",
    "dynamodb": """
        Attributes FirstPartitionKeyValues FisTargetArns FourthPartitionKeyValues LeadingKeys
        SecondPartitionKeyValues ThirdPartitionKeyValues
    """,
    "ec2": """
        FisTargetArns IKEVersions Phase1DHGroup Phase1EncryptionAlgorithms
        Phase1IntegrityAlgorithms Phase2DHGroup Phase2EncryptionAlgorithms
        Phase2IntegrityAlgorithms VpcePrivateDnsSpecifiedDomains
    """,
    "events": "detail-type EventBusArn source TargetArn",
    "iam": "AccountPropertyNamespaces",
    "kms": "EncryptionContextKeys GrantOperations ResourceAliases",
    "lambda": "Layer SecurityGroupIds SubnetIds",
    "logs": "LogGeneratingResourceArns",
    "s3": "InventoryAccessibleOptionalFields RequestObjectTagKeys",
    "ssm": "DocumentCategories DocumentVersion InventoryTypeName",
    "states": "StateMachineQualifier",
    "sts": "IdentityTokenAudience RequestContextProviders TransitiveTagKeys",
}
_NAMED_BY_THE_REQUEST: Final = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "ec2:add/",
    "ec2:attribute/",
    "ec2:remove/",
    "ec2:resourcetag/",
    "events:metadata/",
    "events:systemmetadata/",
    "iam:resourcetag/",
    "kms:encryptioncontext:",
    "kms:recipientattestation:",
    "s3:accesspointtag/",
    "s3:buckettag/",
    "s3:existingobjecttag/",
    "s3:requestobjecttag/",
    "ssm:resourcetag/",
    "sts:requestcontext/",
)
"""Keys that end with a tag's key, or with one of an encryption context, as the request has it."""


def _names(of: dict[str, str]) -> frozenset[str]:
    return frozenset(
        f"{service}:{name}".lower() for service, names in of.items() for name in names.split()
    )


MULTIVALUED: Final = _names(_SEVERAL)
"""Keys that need ForAllValues or ForAnyValue, in lower case: names of keys have no case."""

_KNOWN: Final = _names(_SINGLE) | MULTIVALUED
KNOWN_SERVICES: Final = frozenset(_SINGLE)
"""The services whose keys are all here."""


def is_known(key: str) -> bool:
    """Whether some request of AWS carries the key."""
    lowered = key.lower()
    if "." in lowered.partition(":")[0]:
        # What an identity provider says of whom it knows: token.actions.githubusercontent.com:sub.
        return True
    return lowered in _KNOWN or any(
        lowered.startswith(prefix) and len(lowered) > len(prefix)
        for prefix in _NAMED_BY_THE_REQUEST
    )


def require_known(key: str) -> None:
    """Refuse a key that no request is known to carry.

    Raises:
        UnknownConditionKeyError: It is none of the keys here.
    """
    if not is_known(key):
        service = key.partition(":")[0]
        of = "AWS" if service.lower() == "aws" else service
        raise UnknownConditionKeyError(
            f"the condition key {key!r} is not known: AWS would take it for absent. Known are the "
            f"keys of {', '.join(sorted(KNOWN_SERVICES))}; look for its spelling in the Service "
            f"Authorization Reference of {of}"
        )
