import Programs

/// Picoseconds of kernels on a rank's compute stream, by class of kernel and by pass.
public struct KernelTimes: Hashable, Sendable {
  /// Kinds of kernels, in the words of the field.
  public enum Class: UInt8, Hashable, Sendable, CaseIterable {
    case matmul
    /// Products of several experts in one kernel.
    case groupedMatmul
    /// Attention cores, with the passes over the square of an unfused one.
    case attention
    case norm
    /// Rotary embedding, and cutting and joining heads around attention cores.
    case heads
    /// SwiGLU and GELU.
    case activation
    /// Residuals and other sums.
    case add
    case dropout
    /// Between formats with scales: by row, by column, and back.
    case quantize
    /// Between formats without scales, copies and transposes.
    case convert
    case route
    case permute
    case embedding
    /// The last product with its loss, in one kernel or apart.
    case loss
    /// The update, and what prepares gradients for it: sums of squares and of lanes, zeros.
    case optimizer
    /// States along the sequence in place of attention, with their short convolutions.
    case recurrence
  }

  /// What a kernel is a part of.
  public enum Pass: UInt8, Hashable, Sendable, CaseIterable {
    case forward
    /// A forward that is run again in front of a backward.
    case recomputedForward
    case backwardInput
    case backwardWeight
    case optimizer
  }

  /// A class within a pass, as a number.
  typealias Slot = UInt8

  /// What a few kernels came to, for an action that is replayed.
  struct Part: Hashable, Sendable {
    var slot: Slot
    var picoseconds: Int64
  }

  private var times = Self.nothing

  /// Shared by all to which nothing was added yet.
  private static let nothing = [Int64](
    repeating: 0, count: Class.allCases.count * KernelTimes.Pass.allCases.count)

  public init() {}

  /// The mean of several, rounded.
  init(mean all: [KernelTimes]) {
    for slot in times.indices {
      let sum = all.reduce(0.0) { $0 + Double($1.times[slot]) }
      times[slot] = Int64((sum / Double(all.count)).rounded())
    }
  }

  public subscript(kernels: Class, pass: Pass) -> Int64 {
    times[Int(Self.slot(kernels, pass))]
  }

  /// The time of all kernels.
  public var total: Int64 { times.reduce(0, +) }

  private static func slot(_ kernels: Class, _ pass: Pass) -> Slot {
    kernels.rawValue * Slot(Pass.allCases.count) + pass.rawValue
  }

  /// The place of an operation.
  static func slot(of operation: Operation) -> Slot {
    let pass: Pass
    if operation.phase == .optimizer {
      pass = .optimizer
    } else if operation.isRecomputed {
      pass = .recomputedForward
    } else {
      switch operation.pass {
      case .forward: pass = .forward
      case .backwardInput: pass = .backwardInput
      case .backwardWeight: pass = .backwardWeight
      }
    }
    return slot(Class(operation.kernel), pass)
  }

  mutating func add(_ picoseconds: Int64, at slot: Slot) { times[Int(slot)] += picoseconds }

  mutating func add(_ parts: [Part]) {
    for part in parts { times[Int(part.slot)] += part.picoseconds }
  }

  /// What is not nothing.
  var parts: [Part] {
    times.indices.compactMap { slot in
      times[slot] == 0 ? nil : Part(slot: Slot(slot), picoseconds: times[slot])
    }
  }
}

extension KernelTimes.Class {
  /// The class of a kernel.
  public init(_ kernel: Kernel) {
    switch kernel {
    case .loadTokens, .loadLabels, .loadTargets, .embedding: self = .embedding
    case .norm, .quantizedNorm: self = .norm
    case .matmul: self = .matmul
    case .groupedMatmul: self = .groupedMatmul
    case .attention, .scores, .absorbLatent, .expandLatent, .cache, .index: self = .attention
    case .scan, .convolve: self = .recurrence
    case .splitHeads, .rotate, .assembleLatent, .splitLatent: self = .heads
    case .add: self = .add
    case .gatedUnit, .gelu, .plainUnit: self = .activation
    case .route: self = .route
    case .permute, .unpermute, .arrange, .collect, .awaited: self = .permute
    case .join: self = .convert
    case .headLoss, .headEvaluation, .headScores, .crossEntropy: self = .loss
    case .convert(let kind, _, _, _, _), .launches(_, let kind, _): self.init(kind)
    case .squareSum, .adamW, .streamedAdamW, .orthogonalize, .fold, .clear: self = .optimizer
    }
  }

  /// The class of a kernel that moves bytes.
  private init(_ kind: Streaming) {
    switch kind {
    case .normForward, .normBackward: self = .norm
    case .rotary: self = .heads
    case .copy, .transpose, .cast, .copyOutOfUnit, .castIntoUnit: self = .convert
    case .add: self = .add
    case .gatedUnitForward, .gatedUnitBackward, .activationForward, .activationBackward:
      self = .activation
    case .dropout: self = .dropout
    case .softmax, .attentionPrepare, .attentionConvert: self = .attention
    case .embeddingForward, .embeddingBackward: self = .embedding
    case .quantize, .quantizeTranspose, .dequantize, .castTranspose, .greatestMagnitude:
      self = .quantize
    case .permute, .unpermute: self = .permute
    case .routing, .index: self = .route
    case .crossEntropy: self = .loss
    case .optimizer, .squareSum: self = .optimizer
    }
  }
}
