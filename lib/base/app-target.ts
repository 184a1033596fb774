// Python's identifiers (PEP 3131), dotted.
const NAME = String.raw`[\p{ID_Start}_]\p{ID_Continue}*`
const TARGET = new RegExp(String.raw`^${NAME}(?:\.${NAME})*:${NAME}(?:\.${NAME})*$`, 'u')

/** Whether a text names an app: `module:attribute`, both of them Python names joined by dots. */
export function isAppTarget(text: string): boolean {
  return TARGET.test(text)
}
