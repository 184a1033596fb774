// The debugger of a runtime: V8's inspector, and one session with it.
//
// Who owns what: the inspector belongs to its `Runtime`. It, V8's inspector and the session are touched only by the
// thread that has the isolate locked. All that other threads have is the mailbox: messages go through it in the order
// in which they came, and are read
//
// * by the thread that the debugger holds, in a breakpoint or before the first script,
// * by an interrupt of V8's while JavaScript runs,
// * by `run_tasks` on the runtime's own thread while nothing does.
//
// What the session says goes to the host at once, from whichever of these threads. A thread that is held has neither
// the GIL nor a place in the exit gate; it goes on by a message, by the end of the session, and when the runtime is
// terminated.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "abi.h"
#include "inspector_abi.h"
#include "mailbox.h"

namespace amphis {

struct Runtime;

class Inspector : public v8_inspector::V8InspectorClient, public v8_inspector::V8Inspector::Channel {
 public:
  // Nullptr where this Node.js has none. In a scope of its isolate and context, as all that follows.
  static std::unique_ptr<Inspector> make(Runtime* runtime, v8::Local<v8::Context> context, AmphisSpan name);
  ~Inspector() override;

  void begin_context(v8::Local<v8::Context> context);
  void end_context(v8::Local<v8::Context> context);

  // Does what the letters say that have come. `runs`: within what runs JavaScript.
  void read(bool runs);
  // The next script waits until a debugger has said that it may run; `breaks`: it stops at its first statement then.
  void expect(bool breaks);
  // See `may_run`.
  bool may_run();

  bool is_attached() const { return session_ != nullptr; }
  Mailbox& mailbox() { return *mailbox_; }

 private:
  Inspector(Runtime* runtime, AmphisSpan name);

  void runMessageLoopOnPause(int group) override;
  void quitMessageLoopOnPause() override { is_paused_ = false; }
  void runIfWaitingForDebugger(int group) override;
  v8::Local<v8::Context> ensureDefaultContextInGroup(int group) override;
  double currentTimeMS() override;

  void sendResponse(int call, std::unique_ptr<v8_inspector::StringBuffer> message) override;
  void sendNotification(std::unique_ptr<v8_inspector::StringBuffer> message) override;
  void flushProtocolNotifications() override {}

  // Holds this thread while `is_on`.
  void hold(const bool& is_on);
  void attach();
  void detach();
  void dispatch(const std::string& message);
  // The same of what no debugger has sent: it is told nothing.
  void dispatch_own(const char* method);
  // What V8 has of a message for this thread only, though another one may run the next script.
  void note(const std::string& message, bool runs);
  void profile_this_thread();
  void pause_this_thread();
  void send(const v8_inspector::StringBuffer& message);

  Runtime* runtime_;
  std::string name_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<v8_inspector::V8Inspector> inspector_;
  std::unique_ptr<v8_inspector::V8InspectorSession> session_;
  // Messages that are being dispatched, each within the one before it.
  int depth_ = 0;
  // Holds that are open, likewise.
  int holds_ = 0;
  // The session is over, and goes once no message of it is being dispatched.
  bool is_detached_ = false;
  bool is_mute_ = false;
  bool is_paused_ = false;
  bool is_expected_ = false;
  bool breaks_ = false;
  // Likewise, once it may run.
  bool breaks_now_ = false;
  // The thread that was to pause at its next statement, and ran nothing.
  uint64_t pausing_ = 0;
  // The thread whose stack V8 looks at for a profile, and whether JavaScript has run there since.
  uint64_t sampled_ = 0;
  bool has_samples_ = false;
};

// To be asked by whoever comes in to run JavaScript. Waits for a debugger where one is expected; false: what was to run
// was terminated.
bool may_run(Runtime* runtime);

// Has what is thrown through `block` count as uncaught: it goes to Python, and a debugger may want to stop there.
void watch(Runtime* runtime, v8::TryCatch& block);

int inspect(void* runtime, AmphisSpan name);
void expect_debugger(void* runtime, int breaks);
void attach(void* runtime);
void dispatch(void* runtime, AmphisSpan message);
void detach(void* runtime);

}  // namespace amphis
