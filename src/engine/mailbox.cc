#include "mailbox.h"

#include <utility>

#include "exit_gate.h"
#include "inspector.h"
#include "runtime.h"

namespace amphis {

void Mailbox::post(Kind kind, std::string text) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (runtime_ == nullptr) return;
  letters_.push_back({kind, std::move(text)});
  changed_.notify_all();
  runtime_->isolate->RequestInterrupt(
      [](v8::Isolate* isolate, void*) {
        if (Inspector* inspector = Runtime::of(isolate)->inspector.load()) inspector->read(true);
      },
      nullptr);
}

void Mailbox::post_last(Kind kind, std::string text) {
  post(kind, std::move(text));
  std::lock_guard<std::mutex> guard(telling_);
  if (runtime_ != nullptr) runtime_->host.wake(runtime_->user);
}

bool Mailbox::take(Letter* letter, bool takes_attach) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (letters_.empty() || (letters_.front().kind == Kind::kAttach && !takes_attach)) return false;
  *letter = std::move(letters_.front());
  letters_.pop_front();
  return true;
}

bool Mailbox::is_empty() {
  std::lock_guard<std::mutex> guard(mutex_);
  return letters_.empty();
}

void Mailbox::close() {
  std::scoped_lock guard(telling_, mutex_);
  runtime_ = nullptr;
  letters_.clear();
}

void Mailbox::wait() {
  // Comes in again behind the lock: it may be kept there for good.
  OutOfGate out_of_gate;
  std::unique_lock<std::mutex> lock(mutex_);
  is_waiting_ = true;
  changed_.wait(lock, [this] { return !letters_.empty() || is_asked_ || must_leave_; });
  is_waiting_ = false;
}

bool Mailbox::is_waiting() {
  std::lock_guard<std::mutex> guard(mutex_);
  return is_waiting_;
}

bool Mailbox::ask_for_signals() {
  std::lock_guard<std::mutex> guard(mutex_);
  if (!is_waiting_) return false;
  is_asked_ = true;
  changed_.notify_all();
  return true;
}

bool Mailbox::take_asked() {
  std::lock_guard<std::mutex> guard(mutex_);
  return std::exchange(is_asked_, false);
}

void Mailbox::leave() {
  std::lock_guard<std::mutex> guard(mutex_);
  must_leave_ = true;
  changed_.notify_all();
}

void Mailbox::stay() {
  std::lock_guard<std::mutex> guard(mutex_);
  must_leave_ = false;
}

bool Mailbox::must_leave() {
  std::lock_guard<std::mutex> guard(mutex_);
  return must_leave_;
}

}  // namespace amphis
