// Node's platform, as an isolate of ours meets it.
#pragma once

#include <memory>

#include "version.h"

namespace amphis {

// Nullptr, or why this Node.js will not do.
const char* set_platform(node::MultiIsolatePlatform* platform);
node::MultiIsolatePlatform* platform();

// What V8 wants to be done on the isolate's thread: kept until somebody is there.
class Tasks : public PlainTaskRunner {
 public:
  Tasks();
  ~Tasks() override;
  // Those that have come; with the isolate locked.
  void run();
  // Whom to tell that one has come, from whichever thread, until it is closed.
  void tell(void (*wake)(void* data), void* data);
  void close();

 protected:
  void post(std::unique_ptr<v8::Task> task) override;

 private:
  struct Queue;
  std::unique_ptr<Queue> queue_;
};

class Delegate : public node::IsolatePlatformDelegate {
 public:
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner() override { return tasks; }
  bool IdleTasksEnabled() override { return false; }

  std::shared_ptr<Tasks> tasks = std::make_shared<Tasks>();
};

// Makes an isolate the way that Node's workers do. The delegate has to outlive it.
v8::Isolate* of_nodes_snapshot(v8::Isolate::CreateParams* params, Delegate* delegate);
// Node prepares isolates for itself; what it has set would look for an Environment that is not there. Before the first
// context is made: some of it is looked at then.
void take_nodes_hooks_off(v8::Isolate* isolate);

}  // namespace amphis
