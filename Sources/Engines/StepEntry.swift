import Programs
import Schedules

/// What a stream carried out in a step, as both worlds write it down.
public enum StepEntry: Hashable, Sendable {
  /// An operation of a stage's program.
  case operation(Instance, index: Int)
  /// A transfer of a stage's program, where it was started.
  case transfer(Instance, index: Int)
  /// A pipeline message, where it was started.
  case message(Boundary, isSend: Bool, stage: Int, microbatch: Int)
}
