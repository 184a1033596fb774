// Tells all that is in a fresh context, as a text: every object that can be reached, by the way to it, with its properties
// in their order. Two snapshots of V8's that give the same text give runtimes that behave alike.
;(() => {
  const lines = []
  const ways = new Map()
  const seen = (object, way) => {
    if (ways.has(object)) return ways.get(object)
    ways.set(object, way)
    return way
  }
  const tell = (value, way) =>
    (typeof value === 'object' && value !== null) || typeof value === 'function'
      ? `=> ${seen(value, way)}`
      : `${typeof value} ${String(value)}`

  seen(globalThis, 'globalThis')
  // What no name leads to.
  const hidden = [
    ...Array.of(
      () => {},
      async () => {},
      function* () {},
      async function* () {},
      [].values(),
    ),
    ...Array.of(new Map().entries(), new Set().values(), ''.matchAll(/x/g), ''[Symbol.iterator](), new Error('x')),
    ...Array.of((function* () {})(), (async function* () {})(), new Proxy({}, {}), Object(1n)),
    (function () {
      return arguments
    })(),
  ]
  for (const [index, object] of hidden.entries()) seen(object, `hidden ${index}`)
  // A Map goes on with what is added meanwhile.
  for (const [object, way] of ways) {
    lines.push(`${way}: ${typeof object} ${Object.prototype.toString.call(object)}`)
    lines.push(`  prototype ${tell(Object.getPrototypeOf(object), `${way}.__proto__`)}`)
    for (const key of Reflect.ownKeys(object)) {
      const { value, get, set, ...rest } = Reflect.getOwnPropertyDescriptor(object, key)
      const name = `${way}.${String(key)}`
      // A trace tells of lines, and dates of today.
      if (key === 'stack') continue
      lines.push(`  ${String(key)} ${tell(value, name)} ${tell(get, `get ${name}`)} ${tell(set, `set ${name}`)}`)
      lines.push(`    ${rest.enumerable} ${rest.configurable} ${rest.writable}`)
    }
  }
  // One-character strings, and messages, have tables of their own.
  for (let code = 0; code < 256; code++) lines.push(`${code} ${escape(String.fromCharCode(code))}`)
  const broken = [
    () => null.x,
    () => undefined(),
    () => 1n + 1,
    () => 'x'.repeat(-1),
    () => Symbol() + '',
    () => new RegExp('('.repeat(2)),
    () => JSON.parse('{'),
    () => decodeURI('%'),
  ]
  for (const [index, fails] of broken.entries()) {
    try {
      fails()
    } catch (error) {
      lines.push(`broken ${index}: ${error.name} ${error.message}`)
    }
  }
  return lines.join('\n')
})()
