// What other threads have of a debugger: letters to it, and what makes a thread go on that it holds.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>

namespace amphis {

struct Runtime;

// Shared by the inspector and by threads that may outlive it. Locked for a look or a change only: whoever terminates a
// runtime comes here with other locks, so that nothing of the host's is called with it.
class Mailbox {
 public:
  enum class Kind {
    kAttach,
    kMessage,
    kDetach,
    // A thread has ended that V8 may be about to look at for a profile; its number.
    kThreadEnded,
  };

  struct Letter {
    Kind kind;
    std::string text;
  };

  explicit Mailbox(Runtime* runtime) : runtime_(runtime) {}

  // From any thread. Whoever runs JavaScript reads it soon; where nobody does, the host has `run_tasks` called.
  void post(Kind kind, std::string text = {});
  // The same by a thread that ends, which tells the host itself.
  void post_last(Kind kind, std::string text);
  // Whether there was one. What attaches stays where it is unless it is asked for.
  bool take(Letter* letter, bool takes_attach);
  bool is_empty();
  // The runtime goes.
  void close();

  // Waits for anything to be looked at, outside of the exit gate.
  void wait();
  bool is_waiting();
  // Has a thread that waits look at the signals of Python. Whether one does.
  bool ask_for_signals();
  bool take_asked();
  // What runs was terminated, and nothing waits any more; `stay`: until then.
  void leave();
  void stay();
  bool must_leave();

 private:
  std::mutex mutex_;
  // Held while the host is told; never by those who terminate.
  std::mutex telling_;
  std::condition_variable changed_;
  std::deque<Letter> letters_;
  // Null once it goes.
  Runtime* runtime_;
  bool is_waiting_ = false;
  bool is_asked_ = false;
  bool must_leave_ = false;
};

}  // namespace amphis
