import { expect, test } from '@playwright/test'
import { scripted } from '../../../../__test__/helpers/messages-api.js'
import { KEY, OTHER_KEY, SECRETS, Service } from '../../local/service.js'
import { clientsOf, textOf } from '../helpers/client.js'

// The agent is no shell for everybody, and does not know what the function knows.

const secrets = [...Object.values(SECRETS), KEY, OTHER_KEY]

test('an agent that prints all it can read finds no secret, and the log has none', async () => {
  const service = await Service.start({ env: { AGENT_TOOLS: 'Bash', LOUD: 'a variable of the function' } })
  try {
    const { buffered } = clientsOf(service)
    // Of every process, as the tests may run as root.
    const command = [
      'echo marker; env; set; cat /proc/$PPID/environ | tr "\\0" "\\n"',
      'for at in /proc/[0-9]*; do tr "\\0" "\\n" <$at/environ; tr "\\0" " " <$at/cmdline; done 2>/dev/null | sort -u | grep -E "AKIA|sk-ant|local-|key-of|supabase|LOUD"',
      'ls -l /proc/$PPID/fd; cat <&9; grep -rE "sk-ant-api03|AKIALOCAL" "$CLAUDE_CONFIG_DIR" "$HOME"',
    ]
    const prompt = scripted([
      { tool: command.map((text) => ({ name: 'Bash', input: { command: `${text}; true` } })) },
      { text: 'printed' },
    ])
    const { messages } = await buffered.turn(prompt)
    const results = textOf(messages.filter(({ type }) => type === 'user'))
    expect(results).toContain('marker')
    expect(results).toContain('ANTHROPIC_AUTH_TOKEN=stand-in-')
    // The command itself is in what is printed; a whole secret is not.
    for (const secret of secrets) expect(results, secret).not.toContain(secret)
    // Nor, in its own environment, what is no secret.
    const own = textOf(messages.filter(({ type }) => type === 'user').slice(0, 1)).split('tool_use_id')[1]
    expect(own).toContain('marker')
    expect(own).not.toContain('a variable of the function')
    for (const secret of secrets) expect(service.log, secret).not.toContain(secret)
    // The token that it has is worth nothing at the real address.
    const token = /ANTHROPIC_AUTH_TOKEN=(stand-in-[\w-]+)/.exec(results)![1]!
    const direct = await fetch(`${service.api.url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': token } })
    expect(direct.status).toBe(401)
  } finally {
    await service.close()
  }
})

test('tools that the configuration does not name, the agent does not have', async () => {
  const service = await Service.start()
  try {
    const command = 'echo marker-of-the-shell >$HOME/x; cat $HOME/x'
    const prompt = scripted([{ tool: { name: 'Bash', input: { command } } }, { text: 'done' }])
    const { messages } = await clientsOf(service).buffered.turn(prompt)
    const result = messages.find(({ type }) => type === 'user')
    expect(textOf([result!])).toContain('"is_error":true')
    expect(textOf([result!])).not.toContain('marker-of-the-shell')
    const { body } = service.api.requests.find(({ url }) => url.startsWith('/v1/messages'))!
    expect((body as unknown as { tools?: unknown[] }).tools ?? []).toEqual([])
  } finally {
    await service.close()
  }
})

test('secrets come from Secrets Manager as well', async () => {
  const service = await Service.start({
    env: { ANTHROPIC_API_KEY: undefined, API_KEYS: undefined, SECRETS_ID: 'agent' },
  })
  try {
    await service.moto.makeSecret('agent', { ANTHROPIC_API_KEY: SECRETS.ANTHROPIC_API_KEY, API_KEYS: KEY })
    const { buffered } = clientsOf(service)
    expect((await buffered.ask({ prompt: 'Say: x' })).status).toBe(200)
    expect((await buffered.ask({ prompt: 'Say: x' }, { key: OTHER_KEY })).status).toBe(401)
  } finally {
    await service.close()
  }
})

test('by IAM nobody gets in whom AWS has not named', async () => {
  const service = await Service.start({ env: { ACCESS: 'iam' } })
  try {
    const { status, body } = await clientsOf(service).buffered.ask({ prompt: 'x' })
    expect(status).toBe(401)
    expect(body.error).toContain('not signed')
  } finally {
    await service.close()
  }
})
