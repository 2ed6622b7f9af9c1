// Answers simulations, one JSON object a line, with the decision of @cloud-copilot/iam-simulate.
//
// In: {"simulation": …}, as the package's README describes it. Out, in the same order:
// {"decision": "Allowed" | "ImplicitlyDenied" | "ExplicitlyDenied"}, and "ignored", the condition
// keys that it dropped; or {"error": …} where it refused to decide.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const answer = async line => {
  const found = await runSimulation(JSON.parse(line).simulation, {})
  if (found.resultType === 'error') return { error: JSON.stringify(found.errors) }
  const results = found.resultType === 'single' ? [found.result] : found.results
  return {
    decision: found.overallResult,
    ignored: results.flatMap(each => each.ignoredContextKeys ?? [])
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let found
  try {
    found = await answer(line)
  } catch (error) {
    found = { error: String(error) }
  }
  process.stdout.write(`${JSON.stringify(found)}\n`)
}
