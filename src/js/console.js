// `console` of a runtime, where it was asked for. What is written goes to Python as text: all of this is the guest's own,
// and cannot do more than the guest.
;(() => {
  const write = globalThis.__amphis_console__
  delete globalThis.__amphis_console__
  const most = { depth: 4, items: 100, length: 1e5 }

  const quote = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`

  const keyOf = (key) =>
    typeof key === 'symbol' ? `[${String(key)}]` : /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? key : quote(key)

  const list = (parts, left, open, close) => {
    if (left > 0) parts.push(`... ${left} more`)
    return parts.length === 0 ? open + close : `${open} ${parts.join(', ')} ${close}`
  }

  const some = (values, show) => {
    const parts = []
    for (const value of values) {
      if (parts.length === most.items) break
      parts.push(show(value))
    }
    return parts
  }

  const object = (value, depth, above) => {
    if (above.includes(value)) return '[Circular]'
    if (value instanceof Error)
      return typeof value.stack === 'string' && value.stack !== '' ? value.stack : String(value)
    if (typeof value === 'function') return `[Function${value.name ? ` ${value.name}` : ''}]`
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
    if (value instanceof RegExp) return String(value)
    if (value instanceof Promise) return 'Promise {}'
    const name = Object.getPrototypeOf(value) === null ? '[null]' : value.constructor?.name
    const called = typeof name === 'string' && name !== 'Object' && name !== 'Array' ? `${name} ` : ''
    if (depth === 0) return Array.isArray(value) ? '[Array]' : `[${called.trim() || 'Object'}]`
    const show = (item) => inspect(item, depth - 1, [...above, value])
    if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
      return called + list(some(value, show), value.length - most.items, '[', ']')
    }
    if (value instanceof Map) {
      const parts = some(value, ([key, item]) => `${show(key)} => ${show(item)}`)
      return list(parts, value.size - most.items, `Map(${value.size}) {`, '}')
    }
    if (value instanceof Set) return list(some(value, show), value.size - most.items, `Set(${value.size}) {`, '}')
    const keys = Object.keys(value)
    const parts = some(keys, (key) => `${keyOf(key)}: ${show(value[key])}`)
    return called + list(parts, keys.length - most.items, '{', '}')
  }

  const inspect = (value, depth, above) => {
    if (typeof value === 'string') return above.length === 0 ? value : quote(value)
    if (typeof value === 'bigint') return `${value}n`
    if (Object.is(value, -0)) return '-0'
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return String(value)
    return object(value, depth, above)
  }

  const show = (value) => {
    try {
      return inspect(value, most.depth, [])
    } catch {
      return '[what cannot be shown]'
    }
  }

  const substitute = (kind, value) => {
    if (kind === 'c') return ''
    if (kind === 'd' || kind === 'i') {
      if (typeof value === 'bigint') return `${value}n`
      return String(kind === 'd' ? Number(value) : Number.parseInt(value, 10))
    }
    if (kind === 'f') return String(Number.parseFloat(value))
    if (kind === 'j') return JSON.stringify(value)
    return show(value)
  }

  const format = ([first, ...rest]) => {
    if (typeof first !== 'string') return [first, ...rest].map(show).join(' ')
    let next = 0
    const text = first.replaceAll(/%[sdifjoOc%]/g, (found) => {
      if (found === '%%') return rest.length > 0 ? '%' : found
      return next < rest.length ? substitute(found[1], rest[next++]) : found
    })
    return [text, ...rest.slice(next).map(show)].join(' ')
  }

  let indent = ''
  const counts = new Map()
  const timers = new Map()

  const say = (level, values) => {
    const text = values.length === 0 ? '' : format(values)
    const lines = indent === '' ? text : indent + text.replaceAll('\n', `\n${indent}`)
    write(level, lines.length > most.length ? `${lines.slice(0, most.length)}...` : lines)
  }

  const at =
    (level) =>
    (...values) =>
      say(level, values)
  const elapsed = (label, values) => {
    const began = timers.get(String(label))
    if (began === undefined) return say('warning', [`There is no timer ${label}`])
    say('info', [`${label}: ${Date.now() - began} ms`, ...values])
  }

  const methods = {
    log: at('info'),
    info: at('info'),
    debug: at('debug'),
    warn: at('warning'),
    error: at('error'),
    dir: (value) => say('info', [show(value)]),
    dirxml: at('info'),
    table: (value) => say('info', [show(value)]),
    trace(...values) {
      const { stack } = new Error(values.length === 0 ? '' : format(values))
      say('debug', [String(stack).replace(/^Error:?/, 'Trace:')])
    },
    assert(holds, ...values) {
      if (!holds) say('error', ['Assertion failed', ...values])
    },
    group(...values) {
      if (values.length > 0) say('info', values)
      indent += '  '
    },
    groupEnd() {
      indent = indent.slice(2)
    },
    count(label = 'default') {
      const count = (counts.get(String(label)) ?? 0) + 1
      counts.set(String(label), count)
      say('info', [`${label}: ${count}`])
    },
    countReset(label = 'default') {
      counts.delete(String(label))
    },
    time(label = 'default') {
      timers.set(String(label), Date.now())
    },
    timeLog: (label = 'default', ...values) => elapsed(label, values),
    timeEnd(label = 'default') {
      elapsed(label, [])
      timers.delete(String(label))
    },
    clear() {},
  }
  methods.groupCollapsed = methods.group
  // V8's own says it to a debugger, if there is one.
  const natives = globalThis.console
  const { apply } = Reflect
  for (const [name, method] of Object.entries(methods)) {
    const native = natives?.[name]
    if (typeof native !== 'function') continue
    methods[name] = (...values) => {
      method(...values)
      apply(native, natives, values)
    }
  }
  Object.defineProperty(globalThis, 'console', {
    value: methods,
    writable: true,
    configurable: true,
    enumerable: false,
  })
})()
