// Tracebacks for terminals.
import type { PythonError, PythonException, PythonFrame } from '../../base/errors.js'
import { countOf, runsOf } from '../../debug/frame-owner.js'
import { harmless } from '../text/control-characters.js'
import type { Styles } from '../text/styles.js'

const SENTENCES = {
  cause: 'The above exception was the direct cause of the following exception:',
  context: 'During handling of the above exception, another exception occurred:',
} as const

const PLACE = /^( *)File "(.*)", line (\d+)(?:, in (.*))?$/
const MARKERS = /^ *[~^]+[~^ ]*$/
const LIBRARIES_SHOWN = 4

/**
 * A traceback for people: the user's own frames as Python prints them, each run of frames of libraries in one line.
 * The whole of it is `error.traceback`.
 *
 * @param app `module:attribute`, whose package counts as the user's own
 */
export function foldedTraceback({ exceptions, traceback }: PythonError, styles: Styles, app?: string): string {
  return exceptions.length > 0 ? chain(exceptions, styles, app).join('\n') : harmless(traceback).trimEnd()
}

function chain(exceptions: readonly PythonException[], styles: Styles, app: string | undefined): string[] {
  return exceptions.flatMap((exception) => {
    const { relation, frames, group } = exception
    const before = relation === null ? [] : ['', styles.dim(SENTENCES[relation]), '']
    const head = frames.length > 0 ? [styles.dim('Traceback (most recent call last):')] : []
    const stack = runsOf(frames, app).flatMap((run) =>
      'frame' in run ? frameLines(run.frame, styles) : [styles.dim(foldedLine(run.frames, run.libraries))],
    )
    const members = group.flatMap((member, index) => {
      const title = `  ${index === 0 ? '┌' : '├'} ${index + 1} of ${group.length}`
      return [styles.dim(title), ...chain(member, styles, app).map((line) => `  ${styles.dim('│')} ${line}`)]
    })
    const end = group.length > 0 ? [styles.dim('  └')] : []
    return [...before, ...head, ...stack, ...exceptionLines(exception, styles), ...members, ...end]
  })
}

function foldedLine(frames: readonly PythonFrame[], libraries: readonly string[]): string {
  const count = countOf(frames)
  const named = libraries.slice(0, LIBRARIES_SHOWN).map(harmless)
  const others = libraries.length > LIBRARIES_SHOWN ? ', …' : ''
  return `  … ${count} ${count === 1 ? 'frame' : 'frames'} in ${named.join(', ')}${others}`
}

function frameLines({ text, repeated, omitted }: PythonFrame, styles: Styles): string[] {
  const lines = harmless(text)
    .trimEnd()
    .split('\n')
    .map((line) => sourceLine(line, styles))
  if (repeated !== undefined) lines.push(styles.dim(`  [Previous line repeated ${repeated} more times]`))
  if (omitted !== undefined) lines.push(styles.dim(`  [… ${omitted} frames left out …]`))
  return lines
}

/** A line of a frame: where it is, what stands there, or the markers below that. */
function sourceLine(line: string, styles: Styles): string {
  const [, indent = '', file, number, name] = PLACE.exec(line) ?? []
  if (file !== undefined) {
    const place = `${indent}File ${styles.cyan(`"${file}"`)}, line ${styles.cyan(number!)}`
    return name === undefined ? place : `${place}, in ${styles.bold(name)}`
  }
  return MARKERS.test(line) ? styles.red(line) : line
}

function exceptionLines({ text, syntax }: PythonException, styles: Styles): string[] {
  const lines = harmless(text).trimEnd().split('\n')
  // A SyntaxError begins with its place, which looks like a frame.
  const place =
    syntax === null
      ? 0
      : Math.max(
          0,
          lines.findIndex((line) => !line.startsWith('  ')),
        )
  return [...lines.slice(0, place).map((line) => sourceLine(line, styles)), ...said(lines.slice(place), styles)]
}

/** What an exception says, and below it what else belongs to that. */
function said([first = '', ...rest]: readonly string[], styles: Styles): string[] {
  return [styles.bold(styles.red(first)), ...rest.map(styles.red)]
}
