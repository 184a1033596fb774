// The page that shows an error in development.
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { askedUrl } from '../base/asked-url.js'
import { PythonError, type PythonException, type PythonFrame } from '../base/errors.js'
import { countOf, libraryOf, runsOf } from './frame-owner.js'

/** What the page of an error is made of. */
export interface DebugPage {
  readonly error: Error
  /** `module:attribute`; its package counts as the user's own. */
  readonly app: string
  /** What was asked; undefined where the app has not even started. */
  readonly request?:
    | (Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersion'> & Parameters<typeof askedUrl>[0])
    | undefined
  /** Such as `Python 3.12.1`, for the foot. */
  readonly versions?: readonly string[]
  /** Why it is shown. @default because of `--debug` */
  readonly reason?: string
  /** A script of the page; see {@link debugHeaders}. */
  readonly script?: string
}

const DEBUG_REASON =
  'This page is shown because of --debug; without it a client sees no more than “Internal Server Error”.'

/** Lines of source above and below the one that a frame is at. */
const AROUND = 5
/** A longer file is not looked into, in bytes. */
const LARGEST_SOURCE = 4 * 1024 * 1024
const SECRET = /^(?:cookie|authorization|proxy-authorization|.*(?:token|secret|password|api-?key|session).*)$/i

const STYLE = `
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f9;--line:#dfe3e8;--text:#1d232b;--faint:#67707c;--error:#c4242b;--mark:#fde8e8;--accent:#0b62c4}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1c2128;--line:#2e353f;--text:#e2e6eb;--faint:#929ca9;--error:#ff7b80;--mark:#43252a;--accent:#6cb0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
header{border-left:4px solid var(--error);padding-left:1rem;margin-bottom:2rem}
header p{margin:0;color:var(--faint);font-family:ui-monospace,monospace;overflow-wrap:anywhere}
h1{margin:.2rem 0 .4rem;color:var(--error);font-size:1.15rem;font-weight:600}
header .message{margin:0;color:var(--text);font:600 1.35rem/1.35 system-ui,sans-serif;white-space:pre-wrap;overflow-wrap:anywhere;max-height:40vh;overflow:auto}
h2{font-size:1rem;margin:2.2rem 0 .7rem}
.relation{color:var(--faint);font-style:italic;margin:1.6rem 0 .8rem}
.said{margin:.6rem 0 0;padding:.7rem 1rem;border:1px solid var(--line);border-left:4px solid var(--error);border-radius:6px;color:var(--error);font:600 13px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:.45rem 0;border:1px solid var(--line);border-radius:6px;background:var(--card);overflow:hidden}
summary{cursor:pointer;padding:.5rem .9rem;font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
summary:hover{background:var(--line)}
summary b{color:var(--accent);font-weight:600}
details.library>summary,.note{color:var(--faint)}
details details{margin:.4rem .6rem;background:var(--ground)}
.note{margin:.3rem .9rem .6rem;font-size:13px}
.source{margin:0;padding:.5rem 0;overflow-x:auto;background:var(--ground);border-top:1px solid var(--line);font:13px/1.55 ui-monospace,monospace}
.source span{display:block;min-width:max-content;padding:0 1rem 0 0;white-space:pre}
.source i{display:inline-block;width:4.2rem;padding-right:1rem;text-align:right;color:var(--faint);font-style:normal;user-select:none}
.source .here{background:var(--mark);font-weight:600}
.source .marks{background:var(--mark);color:var(--error)}
.group{margin-left:1rem;padding-left:1rem;border-left:2px solid var(--line)}
table{border-collapse:collapse;width:100%;font:13px/1.5 ui-monospace,monospace}
th,td{text-align:left;vertical-align:top;padding:.3rem .9rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
th{width:16rem;color:var(--faint);font-weight:400}
pre.plain{margin:0;padding:.8rem 1rem;overflow:auto;background:var(--ground);border-top:1px solid var(--line);font:13px/1.5 ui-monospace,monospace}
footer{margin-top:2.5rem;color:var(--faint);font-size:13px}
`

/**
 * Headers for the page, or for the text. Nothing is loaded, and nothing runs, not even what an exception might smuggle
 * in, but for the script that the page is given: that may ask the server it comes from.
 */
export function debugHeaders(script?: string): Record<string, string> {
  const policy = ["default-src 'none'", `style-src ${hashOf(STYLE)}`]
  if (script !== undefined) policy.push(`script-src ${hashOf(script)}`, "connect-src 'self'")
  policy.push("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
  return {
    'cache-control': 'no-store',
    'content-security-policy': policy.join('; '),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }
}

function hashOf(text: string): string {
  return `'sha256-${process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('base64')}'`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

/** Whether whoever asks is a browser that would show a page. */
export function wantsPage({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.accept?.includes('text/html') === true
}

/** The error for a terminal that shows what a server has answered. */
export function debugText({ error }: Pick<DebugPage, 'error'>): string {
  return error instanceof PythonError ? `${error.traceback.trimEnd()}\n` : `${error.message}\n`
}

/** An unhandled error as a page of its own: complete, without anything to be fetched. */
export function debugPage(page: DebugPage): string {
  const { error, app, request, versions = [], reason = DEBUG_REASON, script } = page
  const type = error instanceof PythonError ? error.type : error.name
  const own = error instanceof PythonError ? error.exceptions : []
  const asked = request === undefined ? `starting ${app}` : `${request.method ?? 'GET'} ${askedUrl(request)}`
  const stack =
    own.length > 0
      ? chain(own, app)
      : error instanceof PythonError
        ? `<pre class="said">${escape(error.traceback)}</pre>`
        : ''
  const whole =
    error instanceof PythonError
      ? `<details><summary>The whole traceback as text</summary><pre class="plain">${escape(error.traceback)}</pre></details>`
      : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(`${type} at ${asked}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p>${escape(asked)}</p>
<h1>${escape(type)}</h1>
<p class="message">${escape(error.message || 'It says nothing more.')}</p>
</header>
${stack === '' ? '' : `<h2>Traceback <small class="note">the innermost call comes last</small></h2>\n${stack}`}
${whole}
${request === undefined ? '' : requestTables(request)}
<footer>${[...versions, reason].map(escape).join(' · ')}</footer>
</main>
${script === undefined ? '' : `<script>${script}</script>`}
</body>
</html>
`
}

const SENTENCES = {
  cause: 'The above exception was the direct cause of the following one:',
  context: 'While the above exception was handled, another one occurred:',
} as const

function chain(exceptions: readonly PythonException[], app: string): string {
  return exceptions
    .map(({ relation, frames, text, group, syntax }) => {
      const before = relation === null ? '' : `<p class="relation">${SENTENCES[relation]}</p>`
      const stack = runsOf(frames, app)
        .map((run) => ('frame' in run ? frameDetails(run.frame, true) : library(run.frames, run.libraries)))
        .join('\n')
      const place = syntax === null ? '' : placeDetails(syntax.file, syntax.line)
      const members = group
        .map(
          (member, index) =>
            `<div class="group"><p class="relation">${index + 1} of ${group.length}</p>${chain(member, app)}</div>`,
        )
        .join('\n')
      return `${before}${stack}${place}<p class="said">${escape(text.trimEnd())}</p>${members}`
    })
    .join('\n')
}

function library(frames: readonly PythonFrame[], libraries: readonly string[]): string {
  const count = countOf(frames)
  const title = `${count} ${count === 1 ? 'frame' : 'frames'} in ${libraries.join(', ')}`
  return `<details class="library"><summary>${escape(title)}</summary>${frames.map((frame) => frameDetails(frame, false)).join('')}</details>`
}

function frameDetails(frame: PythonFrame, isOpen: boolean): string {
  const { file, line, name, text, repeated, omitted } = frame
  const marks = text
    .trimEnd()
    .split('\n')
    .find((each) => /^ *[~^][~^ ]*$/.test(each))
  const around =
    line === null || (libraryOf({ file }) !== undefined && file.startsWith('<')) ? '' : source(file, line, marks, text)
  const notes = [
    repeated === undefined ? '' : `<p class="note">… and ${repeated} more times</p>`,
    omitted === undefined ? '' : `<p class="note">… ${omitted} frames are left out here</p>`,
  ].join('')
  const title = `<b>${escape(name)}</b> ${escape(file)}:${line ?? '?'}`
  return `<details${isOpen ? ' open' : ''}><summary>${title}</summary>${around}</details>${notes}`
}

function placeDetails(file: string, line: number): string {
  return `<details open><summary>${escape(file)}:${line}</summary>${source(file, line, undefined, '')}</details>`
}

/** The lines around one; the text that Python has printed where there is no such file. */
function source(file: string, line: number, marks: string | undefined, text: string): string {
  const lines = linesOf(file)
  if (lines === undefined || line > lines.length) return text === '' ? '' : `<pre class="plain">${escape(text)}</pre>`
  const from = Math.max(1, line - AROUND)
  const shown = lines.slice(from - 1, line + AROUND).map((content, index) => {
    const number = from + index
    const row = `<span${number === line ? ' class="here"' : ''}><i>${number}</i>${escape(content)}</span>`
    if (number !== line || marks === undefined) return row
    // Python prints the line without its indentation, after four blanks.
    const indentation = /^\s*/.exec(content)![0]
    return `${row}<span class="marks"><i></i>${indentation}${escape(marks.slice(4))}</span>`
  })
  return `<div class="source">${shown.join('')}</div>`
}

function linesOf(file: string): string[] | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    return text.length > LARGEST_SOURCE ? undefined : text.split(/\r\n|[\n\r]/)
  } catch {
    return undefined
  }
}

function requestTables(request: NonNullable<DebugPage['request']>): string {
  const { method, httpVersion, rawHeaders } = request
  const url = askedUrl(request)
  const mark = url.indexOf('?')
  const query = mark === -1 ? [] : [...new URLSearchParams(url.slice(mark + 1))]
  const headers: [string, string][] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    headers.push([name, SECRET.test(name) ? '•••••• (not shown)' : rawHeaders[at + 1]!])
  }
  const line: [string, string][] = [
    ['Method', method ?? 'GET'],
    ['Path', mark === -1 ? url : url.slice(0, mark)],
    ['HTTP', httpVersion],
  ]
  return `<h2>Request</h2>
<details open><summary>Line</summary>${table(line)}</details>
${query.length === 0 ? '' : `<details open><summary>Query</summary>${table(query)}</details>`}
<details><summary>Headers</summary>${table(headers)}</details>`
}

function table(rows: readonly (readonly [string, string])[]): string {
  return `<table>${rows.map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</table>`
}
