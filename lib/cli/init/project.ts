// The files of a new project, made from `template/`.
import { readdir, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../package-root.js'

/** What a project can differ in. */
export interface Choices {
  name: string
  language: 'ts' | 'js'
  /** @default 'express' */
  template?: TemplateName
}

/** The projects that there are, the usual one first. */
export const TEMPLATES = ['express', 'aws-lambda'] as const

export type TemplateName = (typeof TEMPLATES)[number]

const ROOT = fileURLToPath(packageRoot)
const TEMPLATE = join(ROOT, 'template')
const LAMBDA = 'aws-lambda'

/** Versions of what the project needs beside amphis. */
export const PACKAGES = {
  express: '^5.3.0',
  tsx: '^4.23.15',
  typescript: '^7.0.2',
  '@types/express': '^5.0.6',
  '@types/node': '^20.19.43',
} as const

/** Lambda's runtime client: the newest that runs on every Node.js that amphis does. */
const RUNTIME_CLIENT = '^3.3.0'

const ONLY_TYPESCRIPT = new Set(['tsconfig.json'])

/**
 * The files of a new project, by path. The server is the same text in both languages: it needs no annotations.
 */
export async function projectFiles(choices: Choices): Promise<Map<string, string>> {
  const files = new Map([['package.json', await manifest(choices)]])
  const folder = choices.template === LAMBDA ? join(TEMPLATE, LAMBDA) : TEMPLATE
  for (const path of await pathsIn(folder)) {
    const isOthers = folder === TEMPLATE && path.startsWith(`${LAMBDA}/`)
    if (isOthers || (choices.language === 'js' && ONLY_TYPESCRIPT.has(path))) continue
    const text = await readFile(join(folder, path), 'utf8')
    files.set(targetOf(path, choices), fill(text, choices))
  }
  return files
}

async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.pyc'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()
}

function targetOf(path: string, { language }: Choices): string {
  // npm leaves files of that name out of packages.
  if (path === 'gitignore' || path === 'dockerignore') return `.${path}`
  return path === 'server.ts' ? `server.${language}` : path
}

function fill(text: string, { name, language }: Choices): string {
  return text.replaceAll('PROJECT_NAME', name).replaceAll('server.ts', `server.${language}`)
}

async function manifest({ name, language, template }: Choices): Promise<string> {
  if (template === LAMBDA) return lambdaManifest(name)
  const server = `server.${language}`
  const { express, tsx, ...types } = PACKAGES
  const isTypeScript = language === 'ts'
  const amphis = await ownVersion()
  // tsx: Node 20 runs no TypeScript by itself, and `node --watch` does not see Python files.
  const project = {
    name,
    private: true,
    type: 'module',
    scripts: {
      dev: `amphis venv && tsx watch --include 'app/**/*.py' ${server}`,
      start: `amphis venv && NODE_ENV=production ${isTypeScript ? 'node --import tsx' : 'node'} ${server}`,
      ...(isTypeScript && { check: 'tsc' }),
    },
    dependencies: { amphis, express, ...(isTypeScript && { tsx }) },
    devDependencies: isTypeScript ? { ...types } : { tsx },
    // It works without, and npm asks about each that it does not know.
    allowScripts: { esbuild: false },
  }
  return `${JSON.stringify(project, undefined, 2)}\n`
}

async function lambdaManifest(name: string): Promise<string> {
  const project = {
    name,
    private: true,
    type: 'module',
    scripts: { dev: 'amphis venv && amphis main:app --app-dir app --reload' },
    dependencies: { amphis: await ownVersion(), 'aws-lambda-ric': RUNTIME_CLIENT },
    // It is compiled.
    allowScripts: { 'aws-lambda-ric': true },
  }
  return `${JSON.stringify(project, undefined, 2)}\n`
}

/** What `package.json` says of amphis: this version, or the folder that it was built in. */
async function ownVersion(): Promise<string> {
  if (!ROOT.split(sep).includes('node_modules')) return `file:${ROOT.slice(0, -1)}`
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  return `^${version}`
}

/** A text as npm takes it for the name of a package. */
export function packageName(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/^[._-]+|-+$/g, '')
    .slice(0, 214)
  return name || 'app'
}
