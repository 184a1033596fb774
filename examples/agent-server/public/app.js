// The page: sessions, a conversation that streams, questions about tools, what it costs.
import { ApiError, call, events, setKey } from './api.js'
import { markdown } from './markdown.js'

const $ = (id) => document.querySelector(`#${id}`)
const STORE = 'agent-server-key'

let current
/** Raised when another session is chosen: what still streams for the one before is not shown. */
let shown = 0

function element(name, { className = '', text } = {}, ...children) {
  const made = document.createElement(name)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  made.append(...children)
  return made
}

function card(className, title, ...children) {
  const made = element('article', { className }, element('h2', { text: title }), ...children)
  const log = $('conversation')
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80
  log.append(made)
  if (atEnd) log.scrollTop = log.scrollHeight
  return made
}

const money = (usd) => `$${usd.toFixed(4)}`

// A conversation.

/** Shows what happens in a turn: as it happens, or as it is read from the history. */
class TurnView {
  #answer
  #text = ''

  constructor(session) {
    this.session = session
  }

  show({ type, data }) {
    this[type]?.(data)
  }

  text({ text }) {
    this.#answer ??= card('answer', 'Agent', element('div'))
    this.#text += text
    this.#render()
  }

  assistant({ text }) {
    this.#answer ??= card('answer', 'Agent', element('div'))
    this.#text = text
    this.#render()
    this.#answer = undefined
    this.#text = ''
  }

  #render() {
    this.#answer.querySelector('div').replaceChildren(markdown(this.#text))
    $('conversation').scrollTop = $('conversation').scrollHeight
  }

  queued({ position }) {
    $('usage').textContent = `waits; ${position} in the line`
  }

  retry({ attempt, max_retries: most }) {
    $('usage').textContent = `the API is busy: try ${attempt} of ${most}`
  }

  tool_use({ name, input }) {
    const details = element('details', {}, element('summary', { text: name }))
    details.append(element('pre', { text: JSON.stringify(input, null, 2) }))
    card('tool', 'Tool', details)
  }

  tool_result({ content, is_error: wrong }) {
    const details = element('details', {}, element('summary', { text: wrong ? 'failed' : 'result' }))
    details.append(element('pre', { text: content }))
    card(wrong ? 'tool failed' : 'tool', 'Tool', details)
  }

  permission({ request_id: id, tool, input, seconds }) {
    const allow = element('button', { text: 'Allow' })
    const deny = element('button', { text: 'Deny' })
    deny.type = 'button'
    const row = element('div', { className: 'row' }, allow, deny)
    const question = element('pre', { text: JSON.stringify(input, null, 2) })
    const made = card('permission', `May the agent use ${tool}? ${seconds} seconds to answer`, question, row)
    made.dataset.request = id
    made.setAttribute('role', 'group')
    made.setAttribute('aria-label', `Permission for ${tool}`)
    const answer = (decision) => async () => {
      allow.disabled = deny.disabled = true
      await call('POST', `/sessions/${this.session}/permissions/${id}`, { decision }).catch(fail)
    }
    allow.addEventListener('click', answer('allow'))
    deny.addEventListener('click', answer('deny'))
    allow.focus()
  }

  permission_decided({ request_id: id, allow, by }) {
    const made = document.querySelector(`[data-request="${CSS.escape(id)}"]`)
    made?.querySelector('.row')?.replaceWith(element('p', { text: `${allow ? 'Allowed' : 'Denied'} by ${by}` }))
  }

  done({ status, error, usage, cost_usd: cost, seconds }) {
    const tokens = `${usage.input_tokens} tokens in, ${usage.output_tokens} out`
    $('usage').textContent = `${status} · ${tokens} · ${money(cost)} · ${seconds.toFixed(1)} s`
    if (error) card('failed', status, element('p', { text: error.message }))
  }
}

function prompted(text) {
  card('prompt', 'You', element('div', { text }))
}

async function listen(view, stream) {
  const mine = shown
  running(true)
  try {
    for await (const event of stream) {
      if (mine !== shown) return
      view.show(event)
    }
  } catch (error) {
    if (mine === shown) fail(error)
  } finally {
    if (mine === shown) {
      running(false)
      await list()
    }
  }
}

function running(now) {
  $('send').disabled = now
  $('stop').hidden = !now
  if (!now) $('prompt').focus()
}

async function open(id) {
  shown += 1
  current = id
  $('conversation').replaceChildren()
  $('usage').textContent = $('problem').textContent = ''
  running(false)
  mark()
  menu(false)
  const mine = shown
  const history = await call('GET', `/sessions/${id}`)
  if (mine !== shown) return
  for (const turn of history.turns) {
    prompted(turn.prompt)
    const view = new TurnView(id)
    if (history.running && turn === history.turns.at(-1)) {
      // All of it, from its first event on.
      await listen(view, events('GET', `/sessions/${id}/events`))
    } else {
      for (const event of turn.events) if (event.type !== 'permission') view.show(event)
    }
  }
}

async function send() {
  const prompt = $('prompt').value
  $('problem').textContent = ''
  $('prompt').value = ''
  prompted(prompt)
  await listen(new TurnView(current), events('POST', `/sessions/${current}/messages`, { prompt }))
}

// Sessions.

function mark() {
  for (const button of $('list').querySelectorAll('button')) {
    button.setAttribute('aria-current', String(button.dataset.id === current))
  }
  $('empty').hidden = current !== undefined
  $('ask').hidden = $('conversation').hidden = current === undefined
}

async function list() {
  const { sessions } = await call('GET', '/sessions')
  $('list').replaceChildren(
    ...sessions.map(({ id, title, sdk, created, running: now }) => {
      const when = new Date(created * 1000).toLocaleString()
      const button = element(
        'button',
        { text: title || when },
        element('small', { text: ` ${sdk}${now ? ' · runs' : ''}` }),
      )
      button.type = 'button'
      button.dataset.id = id
      button.addEventListener('click', () => open(id).catch(fail))
      return element('li', {}, button)
    }),
  )
  mark()
}

const names = (text) => text.split(/[\s,]+/).filter(Boolean)

async function begin(form) {
  const { sdk, model, system_prompt: system, ask, allow } = Object.fromEntries(new FormData(form))
  const { id } = await call('POST', '/sessions', {
    sdk,
    model: model || null,
    system_prompt: system || null,
    tools: { ask: names(ask), allow: names(allow) },
  })
  await list()
  await open(id)
}

// The key, and what frames it all.

function fail(error) {
  if (error instanceof ApiError && error.status === 401) return login(error.message)
  $('problem').textContent = error.message
  $('ask').hidden = false
}

function menu(unfolded) {
  $('sessions').classList.toggle('open', unfolded)
  $('menu').setAttribute('aria-expanded', String(unfolded))
}

function login(problem = '') {
  sessionStorage.removeItem(STORE)
  for (const name of ['sessions', 'ask', 'conversation', 'forget', 'empty']) $(name).hidden = true
  $('login').hidden = false
  $('login-problem').textContent = problem
  $('key').focus()
  document.documentElement.dataset.ready = 'login'
}

async function enter(key) {
  setKey(key)
  current = undefined
  try {
    await list()
  } catch (error) {
    login(error.message)
    return
  }
  sessionStorage.setItem(STORE, key)
  $('login').hidden = true
  $('sessions').hidden = $('forget').hidden = false
  mark()
  const health = await fetch('/health').then((response) => response.json())
  $('health').textContent =
    health.missing.length > 0 ? `missing: ${health.missing.join('; ')}` : `ready, ${health.running} running`
  document.documentElement.dataset.ready = 'open'
}

const guarded = (what) => (event) => {
  event.preventDefault()
  what(event).catch(fail)
}

$('login').addEventListener(
  'submit',
  guarded(() => enter($('key').value.trim())),
)
$('forget').addEventListener('click', () => login())
$('new').addEventListener(
  'submit',
  guarded(({ target }) => begin(target)),
)
$('ask').addEventListener('submit', guarded(send))
$('stop').addEventListener(
  'click',
  guarded(() => call('POST', `/sessions/${current}/interrupt`)),
)
$('remove').addEventListener(
  'click',
  guarded(async () => {
    await call('DELETE', `/sessions/${current}`)
    shown += 1
    current = undefined
    $('conversation').replaceChildren()
    await list()
  }),
)
$('menu').addEventListener('click', () => menu(!$('sessions').classList.contains('open')))
$('prompt').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !$('send').disabled) $('ask').requestSubmit()
})
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') menu(false)
})

// From the address that the first start prints; what follows # is sent to no server.
const given = new URLSearchParams(location.hash.slice(1)).get('key')
if (given) history.replaceState(null, '', location.pathname)
const key = given ?? sessionStorage.getItem(STORE)
if (key) await enter(key)
else login()
