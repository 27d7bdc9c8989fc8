import Models
import Programs
import Synchronization

/// Programs of short stages without experts, for all settings of a model that differ in how experts are divided and
/// reached alone.
final class PlainPrograms: Sendable {
  private struct Key: Hashable {
    var shapes: [UnitPrograms.Shape]
    var setting: LoweringSetting
    var hasUpdate: Bool
  }

  private let known = Mutex<[Key: StageProgram]>([:])
  /// Those of the model's units.
  let shapes: UnitShapes

  init(_ architecture: Architecture) { shapes = UnitShapes(architecture) }

  /// The program of units of these shapes.
  func program(
    _ shapes: [UnitPrograms.Shape], _ setting: LoweringSetting, hasUpdate: Bool,
    _ make: (LoweringSetting) -> StageProgram
  ) -> StageProgram {
    var plain = setting
    (plain.expert, plain.expertTensor, plain.dispatcher) = (1, 1, .deepEP)
    let key = Key(shapes: shapes, setting: plain, hasUpdate: hasUpdate)
    if let program = known.withLock({ $0[key] }) { return program }
    let program = make(plain)
    known.withLock { $0[key] = program }
    return program
  }
}
