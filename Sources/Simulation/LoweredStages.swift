import Models
import Programs

/// The programs of stages that were lowered last, for further steps whose stages are the same.
///
/// Steps that differ in the speed of their cluster, in the load of their experts or in their batch alone
/// have the same programs. They are kept until a stage of another model or setting is asked for.
public struct LoweredStages: Sendable {
  private var architecture: Architecture?
  private var setting: LoweringSetting?
  private var programs: [[Unit]: StageProgram] = [:]

  /// Nothing is lowered yet.
  public init() {}

  /// The program of a stage: one that is kept, or a new one.
  mutating func program(
    of units: [Unit], _ architecture: Architecture, _ setting: LoweringSetting
  ) -> StageProgram {
    if architecture != self.architecture || setting != self.setting {
      (self.architecture, self.setting, programs) = (architecture, setting, [:])
    }
    if let program = programs[units] { return program }
    let program = StageProgram(units: units, of: architecture, setting)
    programs[units] = program
    return program
  }
}
