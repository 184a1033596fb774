/**
 * A folder, or a file that stands beside the folders; without its extension.
 *
 * @typedef {object} Room
 * @property {string} name
 * @property {string} what who lives there
 */

/**
 * Lines of rooms, the upper one first. A room may know the rooms of the lines below its own; never one above, and not
 * its neighbours of the same line.
 *
 * @typedef {Room[][]} House
 */

/**
 * Two files of one room that know each other because they are one machine.
 *
 * @typedef {object} Pair
 * @property {[string, string]} files
 * @property {string} why
 */

/** @type {Record<'lib' | 'src', House>} */
export const houses = {
  lib: [],
  src: [
    [{ name: 'lib', what: "the crate's root" }],
    [
      {
        name: 'node',
        what: 'what touches Node-API: the classes and functions that JavaScript calls, and the way back',
      },
    ],
    [
      { name: 'lifecycle', what: 'start, close and leave: Python, an app, an environment' },
      { name: 'run', what: 'plain Python: `amphis run`' },
    ],
    [
      {
        name: 'dispatch',
        what: 'the one place that turns a command into a running app, and the handlers that it finds',
      },
    ],
    [{ name: 'asgi', what: 'scope, messages, cycles of HTTP, WebSocket and lifespan' }],
    [
      {
        name: 'python',
        what: 'interpreter, event loop and its services, tasks, pacing, collector, logging, importer, `*.py`',
      },
    ],
    [{ name: 'bridge', what: 'the two queues, what goes through them, who wakes whom, what requests count on' }],
    [{ name: 'base', what: 'errors, options as data, locking, masking' }],
  ],
}

const awaitable =
  "a cycle and what its `receive` and `send` return are one machine: the latter is a class of Python's, which can be neither generic nor hold a trait object without an allocation each time"

/** @type {Record<'lib' | 'src', Pair[]>} */
export const pairs = {
  lib: [],
  src: [
    { files: ['asgi/awaitable', 'asgi/http_cycle'], why: awaitable },
    { files: ['asgi/awaitable', 'asgi/websocket_cycle'], why: awaitable },
    { files: ['asgi/awaitable', 'asgi/lifespan'], why: awaitable },
  ],
}
