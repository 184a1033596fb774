// Whether this user may read what is to be imported.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { assertReadable } from './obstacle.js'

/**
 * Python says of a module that may not be read that there is none, and of a package that it is empty.
 *
 * @param app `module:attribute`, well formed or not
 * @throws {AmphisError} `AMPHIS_ERR_APP_NOT_FOUND`
 */
export function assertAppReadable(appDir: string, app: string): void {
  assertReadable(appDir, 'AMPHIS_ERR_APP_NOT_FOUND', `The app's folder ${appDir}`)
  let folder = appDir
  for (const name of (app.split(':', 1)[0] ?? '').split('.')) {
    if (!/^\w+$/u.test(name)) {
      return
    }
    folder = join(folder, name)
    const path = existsSync(folder) ? folder : `${folder}.py`
    assertReadable(path, 'AMPHIS_ERR_APP_NOT_FOUND', `The app's ${path === folder ? 'package' : 'module'} ${path}`)
    if (path !== folder) {
      return
    }
  }
}
