/// A class of kernels that stream memory and compute next to nothing.
public enum StreamingClass: String, Hashable, Sendable, CaseIterable {
  /// Scales and rounds rows to FP8.
  case quantise
  /// The same with scales along columns and a transposed result.
  case quantiseTranspose = "quantise-transpose"
  /// Rounds a tensor to FP8 with one scale that is known before.
  case castFloat8 = "cast-fp8"
  /// Reads a tensor for its greatest magnitude and makes a scale of it.
  case greatestMagnitude = "greatest-magnitude"
  /// Rounds to the 12-bit format kept for the product after attention, beside the FP8 copy.
  case quantiseWide = "quantise-wide"
  case dequantise
  case rmsnormForward = "rmsnorm-forward"
  case rmsnormBackward = "rmsnorm-backward"
  case layernormForward = "layernorm-forward"
  case layernormBackward = "layernorm-backward"
  case rope
  case swigluForward = "swiglu-forward"
  case swigluBackward = "swiglu-backward"
  case gelu
  case softmax
  case dropout
  case permute
  case unpermute
  /// Adds, casts and other passes over whole tensors.
  case elementwise
  /// The same, as single operators of a norm that is executed one by one, or of a gated activation: casts,
  /// strided halves and reductions among them.
  case operatorOfNorm = "operator-of-norm"
  case operatorOfGate = "operator-of-gate"
  /// A softmax with results of 32 bits, as PyTorch executes it.
  case operatorOfSoftmax = "operator-of-softmax"
  case copy
  /// Copies parameters out of a unit, and casts gradients into one (PyTorch's FSDP2, `split_with_sizes_copy` and
  /// `_chunk_cat`).
  case unitParameters = "unit-parameters"
  case unitGradients = "unit-gradients"
  /// Transposes a matrix of FP8.
  case transpose
  /// Transposes a matrix of scales: short strided rows.
  case transposeScales = "transpose-scales"
  case attentionPreparation = "attention-preparation"
  case attentionConversion = "attention-conversion"
  case optimizer
  case embedding
  case crossEntropy = "cross-entropy"
}

extension StreamingClass {
  /// The class whose rate holds where a file does not have this one's; nil for what every file has.
  public var substitute: StreamingClass? {
    switch self {
    case .castFloat8: .quantise
    case .greatestMagnitude, .operatorOfNorm, .operatorOfGate, .unitGradients: .elementwise
    case .unitParameters: .copy
    case .operatorOfSoftmax: .softmax
    default: nil
    }
  }

  /// What the kernels do, for the reference of keys.
  var meaning: String {
    switch self {
    case .quantise: "Scales and rounds rows to FP8."
    case .quantiseTranspose: "The same with scales along columns and a transposed result."
    case .castFloat8: "Rounds a tensor to FP8 with one scale that is known before."
    case .greatestMagnitude: "Reads a tensor for its greatest magnitude and makes a scale of it."
    case .quantiseWide: "Rounds to the 12-bit format kept behind attention, beside FP8."
    case .dequantise: "Turns FP8 back into 16 bits."
    case .rmsnormForward: "Norms with gain only."
    case .rmsnormBackward: "Their backward."
    case .layernormForward: "Norms with gain and bias."
    case .layernormBackward: "Their backward."
    case .rope: "Rotary embedding."
    case .swigluForward: "Gated activation."
    case .swigluBackward: "Its backward."
    case .gelu: "Activation without a gate."
    case .softmax: "Softmax of unfused attention."
    case .dropout: "Dropout with bias and residual."
    case .permute: "Rows to the order of their experts."
    case .unpermute: "Rows back, and their weighted sum."
    case .elementwise: "Adds, casts and other passes over whole tensors."
    case .operatorOfNorm: "A norm's operators with execution: eager."
    case .operatorOfGate: "A gated activation's."
    case .operatorOfSoftmax: "A softmax's with execution: eager, in 32 bits."
    case .copy: "Copies."
    case .unitParameters: "Copies of parameters out of the unit that FSDP2 gathered."
    case .unitGradients: "Casts of gradients into the unit that FSDP2 reduces."
    case .transpose: "Transposes a matrix of FP8."
    case .transposeScales: "Transposes a matrix of scales: short strided rows."
    case .attentionPreparation: "The pass before fused attention's backward."
    case .attentionConversion: "The pass behind it."
    case .optimizer: "The optimizer's pass over its state."
    case .embedding: "Gathers rows of the embedding."
    case .crossEntropy: "Passes over the head's scores."
    }
  }
}

/// The bandwidth of each class of streaming kernels on one device.
public struct StreamingConstants: Hashable, Sendable {
  /// Seconds between a kernel's start and its first bytes, with its drain: the ramp.
  public var ramp: Double
  /// Seconds that no kernel takes less than, its ramp included.
  public var shortest: Double
  /// Bytes per second, in the order of `StreamingClass.allCases`.
  public var rates: [Double]
  /// Seconds per token of the kernels that choose experts, all of them together.
  public var routingPerToken: Double
  /// Seconds per received token of the two kernels that index rows by expert.
  public var indexPerToken: Double

  init(from reader: inout NumberReader) throws(NumberTableError) {
    ramp = try reader.number("streaming.ramp", zero: true)
    shortest =
      reader.has("streaming.shortest") ? try reader.number("streaming.shortest", zero: true) : 0
    rates = []
    for kernel in StreamingClass.allCases {
      var source = kernel
      if let other = kernel.substitute, !reader.has("streaming.\(kernel.rawValue)") {
        source = other
      }
      rates.append(try reader.number("streaming.\(source.rawValue)"))
    }
    routingPerToken = try reader.number("streaming.routing-per-token", zero: true)
    indexPerToken = try reader.number("streaming.index-per-token", zero: true)
  }
}

/// The time of streaming kernels: a ramp, and bytes over the bandwidth of their class; none is shorter than the shortest.
///
/// The class's bandwidth is what its kernels reach, at most that of the memory: a kernel that
/// keeps few loads in flight, or strides, reaches less. Bytes count every operand once.
public struct StreamingCost: Sendable {
  private let device: DeviceModel

  public init(_ device: DeviceModel) {
    self.device = device
  }

  /// Bytes per second that a class of kernels reaches.
  public func rate(_ kernel: StreamingClass) -> Double {
    guard let index = StreamingClass.allCases.firstIndex(of: kernel) else {
      preconditionFailure("Every class is in its own list.")
    }
    return device.streaming.rates[index]
  }

  /// Seconds to stream some bytes (read and written, added up) with a class of kernel.
  public func cost(_ kernel: StreamingClass, bytes: Double) -> Cost {
    precondition(bytes >= 0, "Bytes cannot be negative.")
    let constants = device.streaming
    let streaming = bytes / rate(kernel)
    return Cost(
      seconds: max(constants.shortest, constants.ramp + streaming),
      limitedBy: streaming > max(constants.shortest - constants.ramp, constants.ramp)
        ? .memory : .launch)
  }

  private var start: Double { max(device.streaming.shortest, device.streaming.ramp) }

  /// A kernel that does so little that only its start and end count.
  public func tiny() -> Cost {
    Cost(seconds: start, limitedBy: .launch)
  }

  /// Choosing experts: scores to expert indices and weights, all kernels of it.
  public func routing(tokens: Int) -> Cost {
    Cost(
      seconds: start + Double(tokens) * device.streaming.routingPerToken,
      limitedBy: .latency)
  }

  /// Indexing received rows by expert before they are permuted.
  public func indexing(tokens: Int) -> Cost {
    Cost(
      seconds: start + Double(tokens) * device.streaming.indexPerToken,
      limitedBy: .latency)
  }
}
