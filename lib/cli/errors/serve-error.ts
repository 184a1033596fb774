/** Something on this machine kept amphis from what it was asked to do; the message is one line, with what to do about it. */
export class ServeError extends Error {}
