// What the addon finds of the engine.
#include <cstdlib>

#include "callback.h"
#include "inspector.h"
#include "main_end.h"
#include "memory.h"
#include "module.h"
#include "promise.h"
#include "script.h"
#include "snapshot.h"
#include "stream.h"
#include "timer.h"
#include "version.h"

namespace amphis {

namespace {

const char* start(void* platform) {
  keep_loops_interruptible();
  return set_platform(static_cast<node::MultiIsolatePlatform*>(platform));
}

int has_isolates() { return gate_has_isolates() ? 1 : 0; }

int watch(void (*exits)(int32_t), void (*ends)(void)) { return watch_main_end(exits, ends) ? 1 : 0; }

int close_gate(uint32_t milliseconds) { return gate_close(milliseconds) ? 1 : 0; }

void free_bytes(AmphisBytes* bytes) {
  std::free(bytes->data);
  *bytes = AmphisBytes{nullptr, 0, 0};
}

void terminate(void* data) {
  Runtime* runtime = Runtime::of(data);
  runtime->isolate->TerminateExecution();
  // What the debugger holds does not run: it has to be told.
  if (Inspector* inspector = runtime->inspector.load()) inspector->mailbox().leave();
}

void interrupt(void* data) {
  Inspector* inspector = Runtime::of(data)->inspector.load();
  if (inspector != nullptr && inspector->mailbox().ask_for_signals()) return;
  Runtime::of(data)->isolate->RequestInterrupt(
      [](v8::Isolate* isolate, void*) {
        Runtime* runtime = Runtime::of(isolate);
        runtime->host.interrupted(runtime->user);
      },
      nullptr);
}

void resume(void* data) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  runtime->isolate->CancelTerminateExecution();
  if (Inspector* inspector = runtime->inspector.load()) inspector->mailbox().stay();
}

int is_out_of_memory(void* runtime) { return Runtime::of(runtime)->is_out_of_memory.load() ? 1 : 0; }

constexpr AmphisTable kTable = {
    AMPHIS_ENGINE_TABLE,
    NODE_MODULE_VERSION,
    NODE_VERSION,
    start,
    close_gate,
    has_isolates,
    watch,
    stack_left,
    free_bytes,
    choose_snapshot,
    create,
    destroy,
    reset,
    eval,
    replay,
    code_cache,
    call,
    bind,
    release,
    release_streams,
    forget,
    fire,
    resolve,
    run_tasks,
    compile_module,
    make_module,
    link_module,
    evaluate_module,
    finish_import,
    drop_modules,
    statistics,
    inspect,
    expect_debugger,
    terminate,
    interrupt,
    check_heap,
    resume,
    is_out_of_memory,
    attach,
    dispatch,
    detach,
    hold,
    let_go,
};

}  // namespace

}  // namespace amphis

extern "C" const AmphisTable* amphis_engine(void) { return &amphis::kTable; }
