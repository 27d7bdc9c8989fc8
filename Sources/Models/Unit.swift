/// What can be placed on a pipeline stage; ordered as the forward pass meets it.
public enum Unit: Hashable, Sendable, Comparable {
  /// The token embedding, and the position embedding where positions are learned.
  case embedding
  case layer(Int)
  /// The final norm with the output head.
  case head
  /// A multi-token prediction module, counted from 0.
  case multiTokenPrediction(Int)
}
