/** What becomes of a step of a flow, by its activity; nothing of it can be written without knowing the business. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /^Script$/,
    'Write in the handler what the script does; headers are in context.delivery(), the body is context.payload().',
  ],
  [/Mapping$/, 'Map in the handler: event.data is the parsed message, what you return is kept with the dispatch.'],
  [/^IDMapping$|^IdempotentProcess/, 'Set "id" of the source to where the message id is: repetitions are recognized.'],
  [/^Enricher$/, 'A content modifier: set the values in the handler.'],
  [/^contentEnricher/i, 'Read the other system in the handler, by a target or with "fetch" of the subscription.'],
  [/^exclusiveGateway$|^ExclusiveGateway$|^Router$/i, 'Branch in the handler, or write a subscription per branch.'],
  [
    /^parallelGateway$|Multicast/i,
    'Write a subscription per branch: each gets the event, and fails and repeats by itself.',
  ],
  [/Splitter/, 'Set "split" of the source, e.g. { "xml": "ORDERS05/IDOC" } or { "json": "/orders" }.'],
  [/Aggregator|Gather/, 'Nothing aggregates here: collect in a table of your own, or let the target do it.'],
  [/^Filter$/, 'Return from the handler where the message is not wanted.'],
  [/^DBstorage$|^Persist$|^DataStore/i, 'Needless for safety: the message is stored before the answer. Remove it.'],
  [/^Variables$/, 'Keep the value in a table of your own, read and written in the handler.'],
  [/^XmlToJsonConverter$/, 'Set "xmlToJson" of the subscription, with "arrays" for elements that are lists.'],
  [/^JsonToXmlConverter$/, 'Build the XML in the handler, or write JSON to the target.'],
  [/Csv.*Converter|Converter$/, 'Convert in the handler; "split": { "csv": … } of the source reads CSV.'],
  [/Validator$/, 'Check in the handler and throw a PermanentError: the event waits for an operator.'],
  [/^(Encrypt|Decrypt|Sign|Verif|Encod|Decod|MessageDigest|Pgp|Pkcs)/i, 'Do it in the handler with node:crypto.'],
  [/^(ExternalCall|Send|pollEnrich)/i, 'Call the target in the handler: context.targets.<name>.'],
  [/^(ProcessCall|LoopingProcess|NonLoopingProcess)/, 'A local process: write it as a function and call it.'],
  [/^ErrorEventSubProcess/, 'Throw in the handler: failures are repeated, then wait for an operator.'],
  [/Timer/, 'A start by the clock: a poll ("polls"), or a job of your own.'],
]

export const hintFor = (activity: string): string =>
  HINTS.find(([pattern]) => pattern.test(activity))?.[1] ?? 'Nothing here does this: write it in the handler.'

/** Calls of systems, for which targets are written: not open where the target could be. */
export const isCall = (activity: string): boolean => /^(ExternalCall|Send)$/i.test(activity)
