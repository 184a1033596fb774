// Colours, where a stream has them.
import { inspect, styleText } from 'node:util'

const NAMES = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan', 'magenta'] as const

/** Puts the codes of a colour or weight around a text, or nothing. */
export type Styles = Readonly<Record<(typeof NAMES)[number], (text: string) => string>>

/** What a stream can show, by its terminal, `NO_COLOR` and `FORCE_COLOR`. Asked once: `styleText` looks each time. */
export function stylesFor(stream: NodeJS.WriteStream): Styles {
  const isColoured = styleText('red', 'x', { stream }) !== 'x'
  const style = (name: (typeof NAMES)[number]): ((text: string) => string) => {
    if (!isColoured) return (text) => text
    const [open, close] = inspect.colors[name]!
    return (text) => `\x1b[${open}m${text}\x1b[${close}m`
  }
  return Object.fromEntries(NAMES.map((name) => [name, style(name)])) as unknown as Styles
}
