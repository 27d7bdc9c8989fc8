/// How well the order of predictions follows the order of measurements.
public struct RankCorrelation: Hashable, Sendable {
  /// Spearman's coefficient: −1 for the reverse order, 1 for the same; 0 with fewer than two pairs.
  public var coefficient: Double

  /// Compares two lists of equal length; equal values share the mean of their places.
  public init(_ left: [Double], _ right: [Double]) {
    precondition(left.count == right.count, "Every prediction has a measurement.")
    coefficient = Self.correlation(Self.places(of: left), Self.places(of: right))
  }

  private static func places(of values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var places = [Double](repeating: 0, count: values.count)
    var first = 0
    while first < order.count {
      var last = first
      while last + 1 < order.count, values[order[last + 1]] == values[order[first]] { last += 1 }
      for index in first...last { places[order[index]] = Double(first + last) / 2 }
      first = last + 1
    }
    return places
  }

  private static func correlation(_ left: [Double], _ right: [Double]) -> Double {
    guard left.count > 1 else { return 0 }
    let mean = Double(left.count - 1) / 2
    var (product, squaresLeft, squaresRight) = (0.0, 0.0, 0.0)
    for (a, b) in zip(left, right) {
      product += (a - mean) * (b - mean)
      squaresLeft += (a - mean) * (a - mean)
      squaresRight += (b - mean) * (b - mean)
    }
    guard squaresLeft > 0, squaresRight > 0 else { return 0 }
    return product / (squaresLeft * squaresRight).squareRoot()
  }
}
