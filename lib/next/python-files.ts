// The files of Python that belong to a project.
import { type Dirent, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** What is built, installed or nobody's. */
const NOT_ENTERED = new Set(['node_modules', '__pycache__', 'out', 'dist', 'build'])

/** Paths from a folder, as `./app/main.py`; virtual environments are passed by. */
export function pythonFiles(folder: string, way = '.'): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = `${way}/${entry.name}`
    if (entry.isFile()) {
      return entry.name.endsWith('.py') ? [path] : []
    }
    return entry.isDirectory() && isEntered(folder, entry.name) ? pythonFiles(join(folder, entry.name), path) : []
  })
}

function isEntered(folder: string, name: string): boolean {
  return !name.startsWith('.') && !NOT_ENTERED.has(name) && !existsSync(join(folder, name, 'pyvenv.cfg'))
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
