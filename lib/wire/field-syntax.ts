// What a header may be made of.

/** The name of a header, or a method (RFC 9110 5.6.2). */
export const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

/** The value of a header, as far as latin-1 goes (RFC 9110 5.5). */
export const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
