// Which names of Python's a module of JavaScript can export.

export function isIdentifier(name: string): boolean {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u.test(name)
}

/** Why a name cannot be imported from JavaScript; undefined where it can. */
export function whyLeftOut(name: string): string | undefined {
  if (!isIdentifier(name)) return 'no name in JavaScript'
  if (name === 'default') return 'the name of the default export'
  if (name === 'then') return 'JavaScript would take the module for a promise'
  if (name === 'toJSON' || /^__.*__$/.test(name)) return 'never passed on to Python'
  return undefined
}
