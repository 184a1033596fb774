import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, OTHER_KEY, SDKS, TOKEN } from './helpers/agent-server.js'

// What an agent may do: who is asked, who answers, and what its commands can find.

let server: AgentServer
/** In the server's environment, and none of the agent's business. */
const SECRET = 'postgresql-password-of-somebody'

let hasty: AgentServer

test.before(async () => {
  hasty = await AgentServer.start({ env: { PERMISSION_SECONDS: '0.5' } })
  server = await AgentServer.start({ env: { OTHER_SECRET: SECRET } })
})
test.after.always(() => Promise.all([server?.close(), hasty?.close()]))

async function* filesIn(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) yield join(entry.parentPath, entry.name)
  }
}

const bash = (command: string) => scripted([{ tool: { name: 'Bash', input: { command } } }, { text: 'ok' }])

for (const sdk of SDKS) {
  test(`${sdk}: asks before a tool is used, and does what the client says`, async (t) => {
    const id = await server.session({ sdk, tools: { ask: ['Bash'] } })
    const path = `/sessions/${id}/messages`
    const answers = `/sessions/${id}/permissions`

    const allowed = await server.stream(path, { prompt: bash('echo yes > allowed.txt') })
    const question = await allowed.until('permission')
    t.like(question.data, { tool: 'Bash', input: { command: 'echo yes > allowed.txt' } })
    const nonce = String(question.data.request_id)
    // Not by another key, not by another name; then once.
    t.is((await server.request('POST', `${answers}/${nonce}`, { decision: 'allow' }, { key: OTHER_KEY })).status, 404)
    t.is((await server.request('POST', `${answers}/x${nonce}`, { decision: 'allow' })).status, 404)
    t.is((await server.request('POST', `${answers}/${nonce}`, { decision: 'perhaps' })).status, 422)
    t.is((await server.request('POST', `${answers}/${nonce}`, { decision: 'allow' })).status, 200)
    t.is((await server.request('POST', `${answers}/${nonce}`, { decision: 'deny' })).status, 404)
    t.like((await allowed.until('permission_decided')).data, { request_id: nonce, allow: true, by: 'client' })
    t.like((await allowed.until('tool_result')).data, { is_error: false })
    t.like((await allowed.all()).at(-1)!.data, { status: 'completed' })
    const work = join(server.data, 'sessions', id, 'work')
    t.is(await readFile(join(work, 'allowed.txt'), 'utf8'), 'yes\n')

    const denied = await server.stream(path, { prompt: bash('echo no > denied.txt') })
    const { data } = await denied.until('permission')
    await server.request('POST', `${answers}/${String(data.request_id)}`, { decision: 'deny', message: 'not today' })
    const result = await denied.until('tool_result')
    t.true(result.data.is_error)
    t.regex(String(result.data.content), /not today/)
    await denied.all()
    t.false(existsSync(join(work, 'denied.txt')))
  })

  test(`${sdk}: a question that nobody answers is denied`, async (t) => {
    const stream = await hasty.stream('/query', { sdk, tools: { ask: ['Bash'] }, prompt: bash('echo done it') })
    await stream.until('permission')
    t.like((await stream.until('permission_decided')).data, { allow: false, by: 'timeout' })
    t.true((await stream.until('tool_result')).data.is_error)
    await stream.all()
  })

  test(`${sdk}: what is denied is stronger than what is allowed, even for reading`, async (t) => {
    const tools = { allow: ['Read', 'Bash'], deny: ['Bash'] }
    const stream = await server.stream('/query', { sdk, tools, prompt: bash('ls') })
    t.true((await stream.until('tool_result')).data.is_error)
    await stream.all()
  })

  test(`${sdk}: commands of an agent find no secret`, async (t) => {
    // Where Claude Code keeps its credentials, for whoever the home folder belongs to.
    const commands = [
      'env',
      'cat /proc/self/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"',
      'cat ~/.claude/.credentials.json ~/.claude.json $CLAUDE_CONFIG_DIR/.credentials.json $CLAUDE_CONFIG_DIR/.claude.json',
    ]
    const tools = { allow: ['Bash'] }
    const steps = commands.map((command) => ({ tool: { name: 'Bash', input: { command } } }))
    const id = await server.session({ sdk, tools })
    const stream = await server.stream(`/sessions/${id}/messages`, { prompt: scripted([...steps, { text: 'ok' }]) })
    const results = (await stream.all()).filter(({ event }) => event === 'tool_result')
    t.is(results.length, commands.length)
    const printed = results.map(({ data }) => String(data.content)).join('\n')
    // They did run, and saw what they may see.
    t.regex(printed, /ANTHROPIC_AUTH_TOKEN=stand-in-/)
    t.regex(printed, /ANTHROPIC_BASE_URL=http:\/\/127\.0\.0\.1:\d+/)
    t.false(printed.includes(TOKEN), 'the token')
    for await (const file of filesIn(server.data)) {
      // Some go with the agent's program.
      const content = await readFile(file).catch(() => '')
      t.false(content.includes(TOKEN), file)
    }
    // The environment of the program itself has nothing else of the server's.
    t.false(String(results[0]!.data.content).includes(SECRET))
    t.false(/DATA_DIR|API_KEYS|AMPHIS/.test(String(results[0]!.data.content)))
  })
}

test('a tool that the settings do not name is refused, and one that is not there', async (t) => {
  const strict = await AgentServer.start({ env: { ALLOWED_TOOLS: 'Read' } })
  t.teardown(() => strict.close())
  const ask = (tools: object) => strict.json<{ error: object }>('POST', '/query', { prompt: 'Hello', tools })
  t.like(await ask({ ask: ['Bash'] }), { status: 403, body: { error: { code: 'tool_not_allowed' } } })
  t.like(await ask({ allow: ['mcp__custom__nothing'] }), { status: 422, body: { error: { code: 'unknown_tool' } } })
  t.is((await ask({ allow: ['Read', 'mcp__custom__slug'], deny: ['Bash'] })).status, 200)
})

test('settings in the folder where an agent works are not obeyed', async (t) => {
  const id = await server.session({ title: 'hooked' })
  const path = `/sessions/${id}/messages`
  const work = join(server.data, 'sessions', id, 'work')
  await mkdir(join(work, '.claude'), { recursive: true })
  const hook = { hooks: [{ type: 'command', command: `echo ran > ${work}/hook.txt` }] }
  await writeFile(join(work, '.claude/settings.json'), JSON.stringify({ hooks: { UserPromptSubmit: [hook] } }))
  t.like(await server.json('POST', path, { prompt: 'Hello' }), { body: { status: 'completed' } })
  t.false(existsSync(join(work, 'hook.txt')))
})
