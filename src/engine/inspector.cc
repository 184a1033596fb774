#include "inspector.h"

#include <chrono>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "runtime.h"

namespace amphis {

namespace {

using v8_inspector::StringView;
using v8_inspector::V8Inspector;

// All contexts are of one group: there is one at a time.
constexpr int kGroup = 1;
// Within so many bytes a notification says what it is.
constexpr size_t kHead = 64;

// Threads that a profile was begun on. V8 asks a thread for samples by its handle, which is good for nothing once the
// thread has ended: the profile ends with it.
struct SampledThread {
  uint64_t number = 0;
  std::vector<std::weak_ptr<Mailbox>> mailboxes;

  ~SampledThread() {
    for (const auto& known : mailboxes) {
      if (auto mailbox = known.lock()) mailbox->post_last(Mailbox::Kind::kThreadEnded, std::to_string(number));
    }
  }
};

thread_local SampledThread this_thread;

uint64_t number_of_thread() {
  static std::atomic<uint64_t> next{1};
  if (this_thread.number == 0) this_thread.number = next.fetch_add(1);
  return this_thread.number;
}

// V8 has threads looked at for a profile by SIGPROF, and takes its handler away with the profile: a signal that is
// still on its way to another thread would end the process then. A handler, for children would inherit that it is
// ignored.
void outlive_late_samples() {
  struct sigaction now = {};
  if (sigaction(SIGPROF, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return;
  struct sigaction none = {};
  none.sa_handler = [](int) {};
  none.sa_flags = SA_RESTART;
  sigemptyset(&none.sa_mask);
  sigaction(SIGPROF, &none, nullptr);
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

StringView view(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

}  // namespace

Inspector::Inspector(Runtime* runtime, AmphisSpan name)
    : runtime_(runtime),
      name_(reinterpret_cast<const char*>(name.data), name.length),
      mailbox_(std::make_shared<Mailbox>(runtime)) {}

std::unique_ptr<Inspector> Inspector::make(Runtime* runtime, v8::Local<v8::Context> context, AmphisSpan name) {
  using Create = std::unique_ptr<V8Inspector> (*)(v8::Isolate*, v8_inspector::V8InspectorClient*);
  // Through a variable: the compiler takes it for granted that a function has an address.
  const volatile Create create = &V8Inspector::create;
  if (create == nullptr) return nullptr;
  outlive_late_samples();
  std::unique_ptr<Inspector> made(new Inspector(runtime, name));
  made->inspector_ = create(runtime->isolate, made.get());
  made->begin_context(context);
  // Without one V8 writes uncaught exceptions to the standard output.
  runtime->isolate->AddMessageListener([](v8::Local<v8::Message>, v8::Local<v8::Value>) {});
  return made;
}

Inspector::~Inspector() {
  mailbox_->close();
  is_mute_ = true;
  session_.reset();
  inspector_.reset();
}

void Inspector::begin_context(v8::Local<v8::Context> context) {
  inspector_->contextCreated({context, kGroup, view(name_), {}, view("{\"isDefault\":true}"), false});
}

void Inspector::end_context(v8::Local<v8::Context> context) { inspector_->contextDestroyed(context); }

void Inspector::read(bool runs) {
  Mailbox::Letter letter;
  while (mailbox_->take(&letter, depth_ == 0)) {
    v8::HandleScope handles(runtime_->isolate);
    switch (letter.kind) {
      case Mailbox::Kind::kAttach:
        attach();
        break;
      case Mailbox::Kind::kMessage:
        dispatch(letter.text);
        note(letter.text, runs);
        break;
      case Mailbox::Kind::kDetach:
        detach();
        break;
      case Mailbox::Kind::kThreadEnded:
        if (letter.text != std::to_string(sampled_)) break;
        sampled_ = 0;
        dispatch_own("Profiler.stop");
        break;
    }
  }
}

void Inspector::attach() {
  is_detached_ = false;
  breaks_now_ = false;
  pausing_ = 0;
  session_.reset();
  session_ = inspector_->connect(kGroup, this, {}, V8Inspector::kFullyTrusted,
                                 is_expected_ ? V8Inspector::kWaitingForDebugger : V8Inspector::kNotWaitingForDebugger);
}

void Inspector::detach() {
  if (session_ == nullptr) return;
  is_paused_ = false;
  if (depth_ == 0) return session_.reset();
  // V8 is in the middle of a message: it goes behind it, and stops nowhere until then.
  is_detached_ = true;
  session_->setSkipAllPauses(true);
  session_->resume(false);
}

void Inspector::dispatch(const std::string& message) {
  if (session_ == nullptr || is_detached_) return;
  depth_++;
  session_->dispatchProtocolMessage(view(message));
  depth_--;
  if (depth_ > 0 || !is_detached_) return;
  session_.reset();
  is_detached_ = false;
}

void Inspector::dispatch_own(const char* method) {
  bool was_mute = std::exchange(is_mute_, true);
  dispatch(std::string(R"({"id":0,"method":")") + method + "\"}");
  is_mute_ = was_mute;
}

void Inspector::note(const std::string& message, bool runs) {
  if (!runs && contains(message, "\"Debugger.pause\"")) pausing_ = number_of_thread();
  if (contains(message, "\"Profiler.start\"")) {
    sampled_ = number_of_thread();
    has_samples_ = runs;
    this_thread.mailboxes.push_back(mailbox_);
  } else if (contains(message, "\"Profiler.stop\"") || contains(message, "\"Profiler.disable\"")) {
    sampled_ = 0;
  }
}

// V8 looks at one thread, that on which a profile was begun, but JavaScript may be run by any. Begun while nothing ran,
// the profile is of the first thread that runs something.
void Inspector::profile_this_thread() {
  if (sampled_ == 0 || std::exchange(has_samples_, true) || sampled_ == number_of_thread()) return;
  dispatch_own("Profiler.stop");
  dispatch_own("Profiler.start");
  sampled_ = number_of_thread();
  this_thread.mailboxes.push_back(mailbox_);
}

void Inspector::pause_this_thread() {
  if (session_ == nullptr) return;
  if (std::exchange(breaks_now_, false)) {
    session_->schedulePauseOnNextStatement(StringView("Break on start"), StringView("{}"));
  } else if (pausing_ != 0 && pausing_ != number_of_thread()) {
    session_->cancelPauseOnNextStatement();
    session_->schedulePauseOnNextStatement(StringView("other"), StringView("{}"));
    pausing_ = number_of_thread();
  }
}

void Inspector::expect(bool breaks) {
  is_expected_ = true;
  breaks_ = breaks;
}

bool Inspector::may_run() {
  if (runtime_->depth > 1) return true;
  // V8 forgets interrupts that were asked for before this thread was there.
  read(false);
  profile_this_thread();
  hold(is_expected_);
  // Where what was to run was terminated, the next script waits again.
  if (is_expected_) return false;
  pause_this_thread();
  return true;
}

void Inspector::hold(const bool& is_on) {
  if (!is_on) return;
  if (holds_++ == 0) runtime_->host.held(runtime_->user, 1);
  while (is_on && !mailbox_->must_leave()) {
    read(is_paused_);
    if (!is_on || mailbox_->must_leave()) break;
    if (mailbox_->take_asked()) {
      OutOfGate out_of_gate;
      runtime_->host.interrupted(runtime_->user);
    } else {
      mailbox_->wait();
    }
  }
  if (--holds_ > 0) return;
  runtime_->host.held(runtime_->user, 0);
  // What it did not read any more, where it was terminated.
  if (!mailbox_->is_empty()) runtime_->host.wake(runtime_->user);
}

void Inspector::runMessageLoopOnPause(int) {
  if (is_detached_) return;
  pausing_ = 0;
  is_paused_ = true;
  hold(is_paused_);
  is_paused_ = false;
}

void Inspector::runIfWaitingForDebugger(int) {
  is_expected_ = false;
  if (std::exchange(breaks_, false)) breaks_now_ = true;
}

v8::Local<v8::Context> Inspector::ensureDefaultContextInGroup(int) { return runtime_->context.Get(runtime_->isolate); }

double Inspector::currentTimeMS() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

void Inspector::sendResponse(int, std::unique_ptr<v8_inspector::StringBuffer> message) { send(*message); }

void Inspector::sendNotification(std::unique_ptr<v8_inspector::StringBuffer> message) { send(*message); }

void Inspector::send(const v8_inspector::StringBuffer& message) {
  if (is_mute_ || is_detached_) return;
  StringView text = message.string();
  std::string bytes;
  bytes.reserve(text.length());
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t index = 0; index < text.length(); index++) {
    uint16_t unit = text.is_narrow() ? text.narrow()[index] : text.wide()[index];
    if (unit < 0x80) {
      bytes.push_back(static_cast<char>(unit));
      continue;
    }
    // Only within strings of JSON, which has this for each unit of UTF-16.
    bytes += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) bytes.push_back(kDigits[(unit >> shift) & 15]);
  }
  // Scripts of the snapshot that isolates of Node's begin with: nothing runs of them, and nobody has asked.
  if (contains(bytes.substr(0, kHead), "\"Debugger.scriptParsed\"") && contains(bytes, "\"url\":\"node:")) return;
  runtime_->host.inspected(runtime_->user, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

bool may_run(Runtime* runtime) {
  Inspector* inspector = runtime->inspector.load();
  return inspector == nullptr || inspector->may_run();
}

void watch(Runtime* runtime, v8::TryCatch& block) {
  Inspector* inspector = runtime->inspector.load();
  if (inspector != nullptr && inspector->is_attached()) block.SetVerbose(true);
}

int inspect(void* data, AmphisSpan name) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  auto made = Inspector::make(runtime, entry.context(), name);
  if (made == nullptr) return AMPHIS_NO_FUNCTION;
  runtime->inspector.store(made.release());
  return AMPHIS_TAPE;
}

void expect_debugger(void* data, int breaks) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (Inspector* inspector = runtime->inspector.load()) inspector->expect(breaks != 0);
}

void attach(void* data) {
  if (Inspector* inspector = Runtime::of(data)->inspector.load()) {
    inspector->mailbox().post(Mailbox::Kind::kAttach);
  }
}

void dispatch(void* data, AmphisSpan message) {
  if (Inspector* inspector = Runtime::of(data)->inspector.load()) {
    std::string text(reinterpret_cast<const char*>(message.data), message.length);
    inspector->mailbox().post(Mailbox::Kind::kMessage, std::move(text));
  }
}

void detach(void* data) {
  if (Inspector* inspector = Runtime::of(data)->inspector.load()) {
    inspector->mailbox().post(Mailbox::Kind::kDetach);
  }
}

}  // namespace amphis
