import Models
import Programs

/// Programs of short stages under one setting, with the prices of their kernels; units with equal blocks
/// share theirs.
struct UnitPrograms {
  /// What of a unit decides its programs, as the first unit of the model that has the same.
  typealias Shape = UnitShapes.Shape

  /// Seconds of the kernels of a stage's passes by themselves, which do not depend on the multiprocessors of
  /// exchanges.
  struct Prices {
    var forward: [Double] = []
    var backward: [Double] = []
    var backwardInput: [Double] = []
    var backwardWeight: [Double] = []
  }

  private let architecture: Architecture
  private let shapes: UnitShapes
  /// Whether single units have what follows their passes; stages of several units never do.
  private let hasUpdates: Bool
  /// Where programs without experts come from; nil if the model has no experts.
  private let plain: PlainPrograms?
  private var known: [[Shape]: StageProgram] = [:]
  private var priced: [[Shape]: Prices] = [:]

  /// - Parameter plain: programs that settings share which differ in how experts are divided alone.
  init(_ architecture: Architecture, hasUpdates: Bool = true, sharing plain: PlainPrograms) {
    self.architecture = architecture
    self.hasUpdates = hasUpdates
    shapes = plain.shapes
    let hasExperts = architecture.feedForwards.contains { $0.mixture != nil }
    self.plain = hasExperts ? plain : nil
  }

  func shape(of unit: Unit) -> Shape { shapes.shape(of: unit) }

  mutating func stage(_ units: [Unit], _ setting: LoweringSetting) -> StageProgram {
    let key = units.map { shape(of: $0) }
    if let program = known[key] { return program }
    let hasUpdate = hasUpdates && units.count == 1
    func made(_ setting: LoweringSetting) -> StageProgram {
      hasUpdate
        ? StageProgram(units: units, of: architecture, setting)
        : StageProgram(passesOf: units, of: architecture, setting)
    }
    let program: StageProgram
    if let plain, key.allSatisfy(\.isPlain) {
      program = plain.program(key, setting, hasUpdate: hasUpdate, made)
    } else {
      program = made(setting)
    }
    known[key] = program
    return program
  }

  /// The prices of a stage's kernels, asked for once.
  mutating func prices(_ units: [Unit], _ stage: StageProgram, _ price: (Operation) -> Double)
    -> Prices
  {
    let key = units.map { shape(of: $0) }
    if let prices = priced[key] { return prices }
    let prices = Prices(
      forward: stage.forward.operations.map(price),
      backward: stage.backward.operations.map(price),
      backwardInput: stage.backwardInput.operations.map(price),
      backwardWeight: stage.backwardWeight.operations.map(price))
    priced[key] = prices
    return prices
  }
}
