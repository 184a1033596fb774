/** What was asked for was not understood; the message is one line, with what to write instead. */
export class UsageError extends Error {}
