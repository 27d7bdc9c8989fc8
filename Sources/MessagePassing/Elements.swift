/// What a reduction does with two values.
public enum Reduction: String, Hashable, Sendable, CaseIterable {
  case sum, maximum, minimum
}

/// The kinds of number that can be reduced.
public enum ElementKind: Hashable, Sendable, CaseIterable {
  case float, double, int64

  /// Bytes of one number.
  public var stride: Int {
    switch self {
    case .float: 4
    case .double, .int64: 8
    }
  }
}

/// A number that reductions understand.
public protocol ReducibleElement: BitwiseCopyable, Comparable, Numeric {
  /// The kind by which the message layer knows this type.
  static var elementKind: ElementKind { get }
}

extension Float: ReducibleElement {
  public static var elementKind: ElementKind { .float }
}

extension Double: ReducibleElement {
  public static var elementKind: ElementKind { .double }
}

extension Int64: ReducibleElement {
  public static var elementKind: ElementKind { .int64 }
}

extension Int: ReducibleElement {
  public static var elementKind: ElementKind { .int64 }
}

extension Reduction {
  /// Folds `values` into `result`, element by element: result = result (+, max, min) value.
  func fold(
    _ values: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
    _ kind: ElementKind
  ) {
    precondition(values.count == result.count)
    switch kind {
    case .float: fold(values.bindMemory(to: Float.self), result.bindMemory(to: Float.self))
    case .double: fold(values.bindMemory(to: Double.self), result.bindMemory(to: Double.self))
    case .int64: fold(values.bindMemory(to: Int64.self), result.bindMemory(to: Int64.self))
    }
  }

  private func fold<Element: ReducibleElement>(
    _ values: UnsafeBufferPointer<Element>, _ result: UnsafeMutableBufferPointer<Element>
  ) {
    switch self {
    case .sum: for index in values.indices { result[index] += values[index] }
    case .maximum: for index in values.indices { result[index] = max(result[index], values[index]) }
    case .minimum: for index in values.indices { result[index] = min(result[index], values[index]) }
    }
  }
}
