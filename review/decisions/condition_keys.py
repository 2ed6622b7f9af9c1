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
        AssumedRoot CalledViaFirst CalledViaLast ChatbotSourceArn CurrentTime EpochTime
        FederatedProvider MultiFactorAuthAge MultiFactorAuthPresent PrincipalAccount PrincipalArn
        PrincipalIsAWSService PrincipalOrgID PrincipalServiceName PrincipalType Referer
        RequestedRegion ResourceAccount ResourceOrgID SecureTransport SignInSessionArn
        SourceAccount SourceArn SourceIdentity SourceIp SourceOrgID SourceOwner SourceVpc
        SourceVpcArn SourceVpce TokenIssueTime UserAgent ViaAWSMCPService ViaAWSService
        VpceAccount VpceOrgID VpcSourceIp userid username Ec2InstanceSourceVpc
        Ec2InstanceSourcePrivateIPv4
    """,
    "bedrock": """
        BearerTokenType DataRetentionMode GuardrailIdentifier InferenceProfileArn InlineAgentName
        ModelArn ProjectArn PromptRouterArn ServiceTier
        ThirdPartyKnowledgeBaseCredentialsSecretArn
    """,
    "cloudformation": """
        ChangeSetName CreateAction ImportResourceTypes RoleArn StackPolicyUrl TargetRegion
        TemplateUrl
    """,
    "cloudwatch": "namespace requestInsightRuleLogGroups",
    "dynamodb": """
        EnclosingOperation FirstPartitionKeyValues FullTableScan ReturnConsumedCapacity
        ReturnValues Select
    """,
    "ec2": """
        Attribute AuthorizedService AuthorizedUser AvailabilityZone CreateAction
        FlowLogId InstanceID InternetGatewayID IsLaunchTemplateResource NetworkInterfaceID
        ParentSnapshot Permission Region ResourceTag RouteTableID SecurityGroupID SourceInstanceARN
        Subnet SubnetID Vpc VpcID VpceServiceName VpceServiceOwner VpceServiceRegion
    """,
    "events": """
        EventBusInvocation ManagedBy TargetArn creatorAccount detail-type detail.service
        detail.userIdentity.principalId eventBusArn source
    """,
    "iam": """
        AWSServiceName AssociatedResourceArn FIDO-certification OrganizationsPolicyId
        PassedToService PermissionsBoundary PolicyARN RegisterSecurityKey
    """,
    "kms": """
        BypassPolicyLockoutSafetyCheck CallerAccount CustomerMasterKeySpec CustomerMasterKeyUsage
        DataKeyPairSpec EncryptionAlgorithm ExpirationModel GrantConstraintType GranteePrincipal
        GranteeServicePrincipal GrantIsForAWSResource KeyAgreementAlgorithm KeyOrigin KeySpec
        KeyUsage MacAlgorithm MessageType MultiRegion MultiRegionKeyType PrimaryRegion
        ReEncryptOnSameKey ReplicaRegion RequestAlias RetiringPrincipal
        RetiringServicePrincipal RotationPeriodInDays ScheduleKeyDeletionPendingWindowInDays
        SigningAlgorithm SourceAccount ValidTo ViaService WrappingAlgorithm WrappingKeySpec
    """,
    "lambda": """
        CodeSigningConfigArn EventSourceToken FunctionArn FunctionUrlAuthType Principal
        SourceFunctionArn InvokedViaFunctionUrl
    """,
    "logs": "DeliveryDestinationResourceArn LogGeneratingResourceArns",
    "s3": """
        AccessGrantsInstanceArn AccessPointNetworkOrigin BucketType DataAccessPointAccount
        DataAccessPointArn ExistingObjectTag InventoryAccessibleOptionalFields LocationConstraint
        ObjectCreationOperation ResourceAccount TlsVersion VersionId authType delimiter if-match
        if-none-match locationconstraint max-keys object-lock-legal-hold object-lock-mode
        object-lock-remaining-retention-days object-lock-retain-until-date prefix signatureAge
        signatureversion versionid x-amz-acl x-amz-content-sha256 x-amz-copy-source
        x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write
        x-amz-grant-write-acp x-amz-metadata-directive x-amz-object-ownership
        x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id
        x-amz-server-side-encryption-customer-algorithm x-amz-storage-class
        x-amz-website-redirect-location
    """,
    "sns": "Endpoint Protocol",
    "sts": """
        AWSServiceName ExternalId RoleSessionName SourceIdentity DurationSeconds
        IdentityTokenAudience SigningAlgorithm TaskPolicyArn
    """,
    "ssm": "Overwrite Policies Recursive resourceTag",
    "states": "HTTPEndpoint HTTPMethod StateMachineQualifier",
}
_SEVERAL: Final = {
    "aws": """
        CalledVia PrincipalOrgPaths PrincipalServiceNamesList ResourceOrgPaths SourceOrgPaths
        TagKeys VpceOrgPaths
    """,
    "cloudformation": "ResourceTypes",
    "dynamodb": "Attributes LeadingKeys",
    "kms": "EncryptionContextKeys GrantOperations RecipientAttestation",
    "lambda": "Layer SecurityGroupIds SubnetIds VpcIds",
    "s3": "RequestObjectTagKeys",
    "sts": "TransitiveTagKeys",
}
_NAMED_BY_THE_REQUEST: Final = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "dynamodb:resourcetag/",
    "ec2:attribute/",
    "ec2:resourcetag/",
    "iam:resourcetag/",
    "kms:encryptioncontext:",
    "s3:existingobjecttag/",
    "s3:requestobjecttag/",
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
