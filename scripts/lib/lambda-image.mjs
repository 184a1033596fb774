// The images for Lambda, of the template and of the agent, built of their Dockerfiles as users do: from the official image
// where the engine reaches a hub, else from one that is made of this machine, with packages that were fetched before.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importBaseImage } from './base-image.mjs'
import { compiledClient } from './lambda-parts.mjs'
import { inRoot, pythonOf } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/** What a slim Debian has, as far as the Dockerfile uses it. */
const programs = 'cat chmod cp ln ls mkdir mv rm true uname'

/**
 * @param {string} what for words
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
async function must(what, command, args, options) {
  const { code, output } = await run(command, args, { ...options, quiet: true })
  if (code !== 0) throw new Problem(`${what} failed: ${output.slice(-4000)}`, 'see above')
}

/**
 * Has a project in a folder of its own, and builds the image of it.
 *
 * @param {import('./containers.mjs').Engine} engine
 * @param {string} python the environment whose Python the base image has, where one is made
 * @param {object} project
 * @param {string} project.tag of the image
 * @param {(folder: string) => void | Promise<void>} project.write
 * @param {string[]} [project.packages] what its Dockerfile installs beside those of package.json
 * @param {string} [project.programs] what its Dockerfile finds in a base beside the usual
 */
async function buildImage(engine, python, { tag, write, packages = [], programs: more = '' }) {
  const folder = mkdtempSync(join(tmpdir(), 'amphis-lambda-image-'))
  try {
    await write(folder)
    await must('npm run pack:into', process.execPath, [inRoot('scripts/pack-into.mjs'), folder])
    const args = ['build', '--tag', tag, '--no-cache']
    // One that is started here has no network for its builds, and no hub: see containers.mjs.
    if (engine.started) {
      await fetchPackages(folder, python, packages)
      const base = await importBaseImage(engine.socket, python, {
        name: `amphis-machine-base:lambda${more === '' ? '' : '-more'}`,
        programs: `${programs} ${more}`.trim().split(' '),
      })
      args.push('--build-arg', `BASE=${base}`, '--build-arg', 'OFFLINE_DIR=offline')
    }
    await must('docker build', 'docker', [...args, folder], { env: { ...engine.env, DOCKER_BUILDKIT: '0' } })
    return tag
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * What the build would fetch, into the folder `offline`.
 *
 * @param {string} project
 * @param {string} python
 * @param {string[]} packages
 */
async function fetchPackages(project, python, packages) {
  const offline = join(project, 'offline')
  // Scripts compile the runtime client, which has been done.
  const npm = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', ...packages]
  await must('npm install', 'npm', npm, { cwd: project })
  cpSync(join(project, 'node_modules'), join(offline, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  rmSync(join(project, 'node_modules'), { recursive: true })
  cpSync(compiledClient, join(offline, 'node_modules/aws-lambda-ric/dist/rapid-client.node'))
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--dest', join(offline, 'wheels')]
  await must('pip download', pythonOf(python), [...pip, '--requirement', join(project, 'requirements.txt')])
}

/**
 * The image of `amphis init --template aws-lambda`.
 *
 * @param {import('./containers.mjs').Engine} engine
 * @param {string} python
 * @returns {Promise<string>} its name
 */
export function buildTemplateImage(engine, python) {
  return buildImage(engine, python, {
    tag: 'amphis-test-lambda:latest',
    write: (folder) => must('amphis init', process.execPath, [inRoot('bin/amphis.js'), 'init', folder, ...template]),
  })
}

const template = ['--template', 'aws-lambda', '--yes']

/**
 * The image of examples/agent-lambda, which is built already (`npm run build` there).
 *
 * @param {import('./containers.mjs').Engine} engine
 * @param {string} python
 * @returns {Promise<string>} its name
 */
export function buildAgentLambdaImage(engine, python) {
  const source = inRoot('examples/agent-lambda/lambda/function')
  const [, client = ''] = /\b(aws-lambda-ric@[\d.]+)/.exec(readFileSync(join(source, 'Dockerfile'), 'utf8')) ?? []
  const others = new Set([join(source, 'node_modules'), join(source, 'vendor')])
  return buildImage(engine, python, {
    tag: 'amphis-test-agent-lambda:latest',
    write: (folder) => cpSync(source, folder, { recursive: true, filter: (path) => !others.has(path) }),
    packages: [client],
    programs: 'git bash mktemp grep sed cut dirname head tail',
  })
}
