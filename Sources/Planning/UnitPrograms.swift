import Models
import Programs
import Synchronization

/// Programs of short stages under one setting, with the prices of their kernels; units with equal blocks
/// share theirs.
struct UnitPrograms {
  /// What of a unit decides its programs.
  enum Shape: Hashable {
    case layer(Layer)
    case other(Unit)
  }

  /// Seconds of the kernels of a stage's passes by themselves, which do not depend on the multiprocessors of
  /// exchanges.
  struct Prices {
    var forward: [Double] = []
    var backward: [Double] = []
    var backwardInput: [Double] = []
    var backwardWeight: [Double] = []
  }

  private let architecture: Architecture
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
    let hasExperts = architecture.feedForwards.contains { $0.mixture != nil }
    self.plain = hasExperts ? plain : nil
  }

  func shape(of unit: Unit) -> Shape {
    guard case .layer(let index) = unit else { return .other(unit) }
    return .layer(architecture.layers[index])
  }

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

extension UnitPrograms.Shape {
  /// Whether there are no experts in it for certain.
  fileprivate var isPlain: Bool {
    switch self {
    case .layer(let layer): layer.feedForward.mixture == nil
    case .other(.embedding), .other(.head): true
    case .other: false
    }
  }
}

/// Programs of short stages without experts, for all settings of a model that differ in how experts are divided and
/// reached alone.
final class PlainPrograms: Sendable {
  private struct Key: Hashable {
    var shapes: [UnitPrograms.Shape]
    var setting: LoweringSetting
    var hasUpdate: Bool
  }

  private let known = Mutex<[Key: StageProgram]>([:])

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
