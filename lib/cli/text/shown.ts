import { relative } from 'node:path'

/** A path as one would type it in the working directory. */
export function shown(path: string): string {
  const near = relative('.', path)
  if (near === '') return '.'
  return near.startsWith('..') ? path : near
}
