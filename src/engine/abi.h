// The C table between the addon (Rust, src/js/abi.rs) and the engine: all that either knows of the other.
//
// Whatever changes here changes `AMPHIS_ENGINE_TABLE` as well: an engine with another number is refused.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AMPHIS_ENGINE_TABLE 8

// As Node-API has it, of which nothing else is used.
typedef struct napi_value__* napi_value;

extern "C" {

// Bytes that somebody else keeps.
struct AmphisSpan {
  const uint8_t* data;
  size_t length;
};

// Bytes that grow by `realloc`, and belong to whoever holds the struct.
struct AmphisBytes {
  uint8_t* data;
  size_t length;
  size_t capacity;
};

struct AmphisLimits {
  // Bytes of V8's heap; 0: V8's own default.
  size_t heap;
  // Bytes of array buffers; 0: none.
  size_t buffers;
  // How much more address space V8 gets to come to its end when the heap is full.
  size_t head_room;
  // How many containers may be within each other in a value that crosses.
  uint32_t depth;
  // Bytes of one value that crosses.
  size_t value;
};

enum AmphisStatus {
  // A value, as a tape (src/values/mod.rs).
  AMPHIS_TAPE = 0,
  // A value, as V8's ValueSerializer writes it.
  AMPHIS_WIRE = 1,
  // What was thrown, as a tape.
  AMPHIS_THROWN = 2,
  // Execution was terminated.
  AMPHIS_TERMINATED = 3,
  // The value cannot cross: why, as UTF-8.
  AMPHIS_UNFIT = 4,
  // A promise that nothing has settled so far: its number, as a varint. The host is told when it is.
  AMPHIS_PENDING = 5,
  // Not enough stack is left on this thread.
  AMPHIS_NO_STACK = 6,
  // The function is not there any more.
  AMPHIS_NO_FUNCTION = 7,
};

enum AmphisAnswer {
  // `out` holds a tape: the result.
  AMPHIS_RETURN = 0,
  // `out` holds the name and the message of an exception, and its number (names and varint of the tape).
  AMPHIS_RAISE = 1,
  // JavaScript must not go on.
  AMPHIS_STOP = 2,
  // `out` holds a varint: the number that `resolve` gets once there is a result. JavaScript gets a promise.
  AMPHIS_LATER = 3,
};

enum AmphisEvaluation {
  AMPHIS_SCRIPT = 0,
  // A script that may await outside of functions.
  AMPHIS_AWAITING = 1,
};

// What the engine calls. Called with the isolate locked, on the thread that runs JavaScript.
struct AmphisHost {
  // `arguments`: a varint count, then that many values. One of `AmphisAnswer`.
  int (*call)(void* user, uint32_t function, AmphisSpan arguments, AmphisBytes* out);
  // JavaScript calls `import()`. `request`: the values specifier and name of the importer, and an array of the names
  // and values of the attributes. One of `AmphisAnswer`; "later" ends by `finish_import`, or by `resolve` where it
  // fails.
  int (*import)(void* user, AmphisSpan request, AmphisBytes* out);
  // The interrupt that was asked for.
  void (*interrupted)(void* user);

  // The following never wait, and come back to no runtime.

  // A promise that was pending has an outcome: a status, and what belongs to it.
  void (*settled)(void* user, uint32_t promise, int status, AmphisSpan outcome);
  // `fire` is to be called so many milliseconds from now.
  void (*timer)(void* user, uint32_t timer, double milliseconds);
  void (*timer_cleared)(void* user, uint32_t timer);
  // Something was rejected, and nobody has looked: a tape, as of what is thrown.
  void (*unhandled)(void* user, AmphisSpan thrown);
  // V8 has something to be done on the isolate's thread: by `run_tasks`, or whoever comes in next. From any thread.
  void (*wake)(void* user);
  // A message to the debugger: JSON, in ASCII.
  void (*inspected)(void* user, AmphisSpan message);
  // The debugger holds the thread that runs JavaScript: 1; it goes on: 0. `interrupted` is called meanwhile as well.
  void (*held)(void* user, int is_held);

  // What defines streams, when they are first asked for: scripts with a zero between them. None: there are no streams.
  AmphisSpan streams;
};

struct AmphisStatistics {
  uint64_t total_heap;
  uint64_t used_heap;
  uint64_t heap_limit;
  uint64_t physical;
  uint64_t external;
  uint64_t buffers;
  uint64_t functions;
  uint64_t contexts;
  uint64_t timeouts;
  uint64_t intervals;
  // Promises that the host waits for.
  uint64_t promises;
};

struct AmphisTable {
  uint32_t table;
  // NODE_MODULE_VERSION and NODE_VERSION of the headers.
  uint32_t module_version;
  const char* node_version;

  // The process' `node::MultiIsolatePlatform*`. 0, or why this Node.js will not do.
  const char* (*start)(void* platform);
  // No thread goes on in V8 from here on, and none comes in: they are kept for good. Waits `milliseconds` at most.
  int (*close_gate)(uint32_t milliseconds);
  // Whether V8 would be taken down over an isolate of a runtime's, or somebody makes one.
  int (*has_isolates)(void);
  // Where the main thread has not loaded the addon: has `exits` called there when the process is about to end, and
  // `ends` before Node.js takes V8 down. Whether that thread was found.
  int (*watch_main_end)(void (*exits)(int32_t code), void (*ends)(void));
  // Bytes of stack that are left on this thread.
  size_t (*stack_left)(void);
  void (*free)(AmphisBytes* bytes);

  // Has runtimes be made of V8's own snapshot from here on, which takes less memory and time than Node's, where the
  // two agree; whether it does. Takes some 10 ms the first time. `description`: a script that tells, as a text, what
  // is in a fresh context.
  int (*choose_snapshot)(AmphisSpan description);
  void* (*create)(const AmphisLimits* limits, const AmphisHost* host, void* user);
  void (*destroy)(void* runtime);
  // A fresh context in the place of the one that is there.
  int (*reset)(void* runtime);
  // `evaluation`: an `AmphisEvaluation`.
  int (*eval)(void* runtime, AmphisSpan source, AmphisSpan name, int evaluation, AmphisBytes* out);
  // Runs a script for what it does: there is no value. `code`: what `code_cache` has given of it once, or nothing; V8
  // believes what is in it, and the status is `AMPHIS_WIRE` where it does not take it. `keeps`: whether `code_cache`
  // will be asked, by the numbers of those that it keeps, from 0.
  int (*replay)(void* runtime, AmphisSpan source, AmphisSpan name, AmphisSpan code, int keeps, AmphisBytes* out);
  int (*code_cache)(void* runtime, uint32_t script, AmphisBytes* out);
  // `arguments`: as those of the host.
  int (*call)(void* runtime, uint32_t function, AmphisSpan arguments, AmphisBytes* out);
  // Defines a property of the global object. `value`: a value, which may have handles of Python's functions.
  int (*bind)(void* runtime, AmphisSpan name, AmphisSpan value, AmphisBytes* out);
  void (*release)(void* runtime, const uint32_t* functions, size_t count);
  // The same of streams that Python has given.
  void (*release_streams)(void* runtime, const uint32_t* streams, size_t count);
  // The host waits for this promise no more.
  void (*forget)(void* runtime, uint32_t promise);
  // The time of a timer has come. `out`: what it threw.
  int (*fire)(void* runtime, uint32_t timer, AmphisBytes* out);
  // What a function of the host's has come to that said "later": `answer` and its bytes, as of `call`.
  int (*resolve)(void* runtime, uint32_t later, int answer, AmphisSpan value, AmphisBytes* out);
  // What V8 has asked for, and promises that can go on.
  int (*run_tasks)(void* runtime);

  // A module of its source. `out`: an array of its number and of what it imports, each an array of the specifier and of
  // the names and values of the attributes.
  int (*compile_module)(void* runtime, AmphisSpan source, AmphisSpan url, AmphisBytes* out);
  // A module that exports a value as its default. `out`: its number.
  int (*make_module)(void* runtime, AmphisSpan url, AmphisSpan value, AmphisBytes* out);
  // What it imports, in the order in which it does.
  void (*link_module)(void* runtime, uint32_t module, const uint32_t* imports, size_t count);
  // Runs it, where it has not run. `out`: its namespace.
  int (*evaluate_module)(void* runtime, uint32_t module, AmphisBytes* out);
  // Likewise, for an `import()`.
  int (*finish_import)(void* runtime, uint32_t later, uint32_t module, AmphisBytes* out);
  void (*drop_modules)(void* runtime, const uint32_t* modules, size_t count);
  void (*statistics)(void* runtime, AmphisStatistics* out);

  // From here on debuggers can attach. `name`: what they call the context. `AMPHIS_NO_FUNCTION`: this Node.js has no
  // inspector.
  int (*inspect)(void* runtime, AmphisSpan name);
  // The next script waits until a debugger has said that it may run; `breaks`: it stops at its first statement then.
  void (*expect_debugger)(void* runtime, int breaks);

  // These from any thread, at any time while the runtime is there.
  void (*terminate)(void* runtime);
  void (*interrupt)(void* runtime);
  // Has the heap looked at while JavaScript runs.
  void (*check_heap)(void* runtime);
  // With the runtime not entered by anybody else: what was terminated may go on.
  void (*resume)(void* runtime);
  // Whether a limit of memory was met.
  int (*is_out_of_memory)(void* runtime);
  // A debugger has come, has sent a message (JSON, in UTF-8), has gone; one at a time. From any thread, for runtimes
  // that `inspect` was called for.
  void (*attach)(void* runtime);
  void (*dispatch)(void* runtime, AmphisSpan message);
  void (*detach)(void* runtime);

  // What an ArrayBuffer of Node's own is over, whoever holds the buffer; null for anything else. On the thread of its
  // isolate, in a scope of handles.
  void* (*hold)(napi_value buffer);
  // Lets go of it, on any thread.
  void (*let_go)(void* memory);
};

// What the addon looks up.
__attribute__((visibility("default"))) const AmphisTable* amphis_engine(void);
}
