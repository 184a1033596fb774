/** Something on this machine kept the server from serving; the message is one line, with what to do about it. */
export class ServeError extends Error {}
