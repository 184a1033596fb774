// What a value is, in a word, for messages about one of the wrong kind.

/** The class that a value says it is of, also in another realm: `Blob`, `Object`. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

/** `null`, `a string`, `of type Map`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value)
  }
  if (typeof value !== 'object') {
    return `a ${typeof value}`
  }
  const { constructor } = value
  const tag = tagOf(value)
  // Of a class that has not said how it is called.
  const name = tag === 'Object' && typeof constructor === 'function' ? constructor.name : tag
  return `of type ${name === '' ? tag : name}`
}
