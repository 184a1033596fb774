// What is answered in the place of an app that does not run.
import { PythonError } from '../../base/errors.js'
import { debugHeaders, debugPage, debugText } from '../../debug/page.js'

/** Why there is no app to answer. */
export interface Problem {
  /** Tells it from an earlier one. */
  readonly id: string
  /** `module:attribute` */
  readonly app: string
  readonly error: Error
  /** Whether clients are told. */
  readonly isShown: boolean
}

/** What is answered instead. */
export interface ProblemAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** The header with which the page asks to be told when the problem is no more; its value is the problem's id. */
export const WAIT_HEADER = 'amphis-wait'

const HINT = 'amphis waits for a change of a file, and starts the app again.'

const HIDDEN = 'Its log tells why.'

/** A text, for whoever is no browser. */
export function problemText({ error, isShown }: Problem): string {
  const told = isShown ? [error.message, debugText({ error }).trimEnd()] : [`The app does not run. ${HIDDEN}`]
  return `${[...new Set([...told, HINT])].join('\n\n')}\n`
}

/** A page that loads itself anew as soon as something has changed. */
function problemPage({ id, app, error, isShown }: Problem): ProblemAnswer {
  const script = waitScript(id)
  // The class of an error of our own says nothing to whoever reads the page.
  const shown = isShown && error instanceof PythonError ? error : new Error(isShown ? error.message : HIDDEN)
  if (shown !== error) shown.name = 'The app does not run'
  return {
    status: 500,
    headers: { ...debugHeaders(script), 'content-type': 'text/html; charset=utf-8' },
    body: debugPage({ error: shown, app, reason: `${HINT} This page then loads itself anew.`, script }),
  }
}

function waitScript(id: string): string {
  return `
const wait = async () => {
  try {
    await fetch(location.href, { cache: 'no-store', headers: { '${WAIT_HEADER}': '${id}' } })
    location.reload()
  } catch {
    setTimeout(wait, 500)
  }
}
wait()
`
}

export function problemAnswer(problem: Problem, isBrowser: boolean): ProblemAnswer {
  if (isBrowser) return problemPage(problem)
  return {
    status: 503,
    headers: { ...debugHeaders(), 'content-type': 'text/plain; charset=utf-8' },
    body: problemText(problem),
  }
}
