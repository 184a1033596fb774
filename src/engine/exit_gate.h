// Who is inside of V8, and the end of that: when the process exits, Node.js takes V8 down under everybody.
#pragma once

#include <v8.h>

#include <cstdint>

namespace amphis {

// Isolates that are to be terminated when the gate closes.
void gate_knows(v8::Isolate* isolate);
void gate_forgets(v8::Isolate* isolate);

// Comes in; where the gate is closed, never returns, but to the thread that has closed it. The caller holds no lock
// that the end of the process waits for.
void gate_in();
// Goes out; the same.
void gate_out();

// Whether V8 has isolates that were made here, or one is being made.
bool gate_has_isolates();

// Whether nobody is left inside. For the thread that ends the process.
bool gate_close(uint32_t milliseconds);

class Gate {
 public:
  Gate() { gate_in(); }
  ~Gate() { gate_out(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
};

// Outside of V8 for a while, as in a callback.
class OutOfGate {
 public:
  OutOfGate() { gate_out(); }
  ~OutOfGate() { gate_in(); }
  OutOfGate(const OutOfGate&) = delete;
  OutOfGate& operator=(const OutOfGate&) = delete;
};

}  // namespace amphis
