export {
  AmphisError,
  PythonError,
  type AmphisErrorCode,
  type PythonErrorInit,
  type PythonException,
  type PythonFrame,
} from './errors.js'
export type { AttachOptions, UpgradableServer } from './attach.js'
export type { Observation, Outcome, RequestObservation, WebSocketObservation } from './diagnostics.js'
export { HandleResponse } from './handle.js'
export { PythonHandler } from './python-handler.js'
export type { Next } from './request-listener.js'
export { createServer, type PlainOptions, type PythonServer, type SecureOptions, type ServerOptions } from './server.js'
export type { HandleRequest, Logger, PythonHandlerOptions, Versions } from './types.js'
export type { UpgradeListener } from './upgrade.js'
