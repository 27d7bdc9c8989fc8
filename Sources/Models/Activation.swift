/// The function between the products of a feed-forward block.
public enum Activation: String, Hashable, Sendable, CaseIterable {
  case silu
  /// GELU by the error function.
  case gelu
  /// GELU by tanh.
  case geluTanh = "gelu_pytorch_tanh"
  case quickGELU = "quick_gelu"
  case relu
  /// The square of ReLU.
  case reluSquared = "relu2"
  case relu6
  case leakyReLU = "leaky_relu"
  case sigmoid
  case tanh
  case mish
  case linear

  /// The activation that transformers has under a name; nil for a name that it has not.
  public init?(named name: String) {
    switch name {
    case "swish": self = .silu
    case "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh_fast": self = .geluTanh
    case "gelu_python", "gelu_erf": self = .gelu
    case "relu_squared": self = .reluSquared
    default: self.init(rawValue: name)
    }
  }
}
