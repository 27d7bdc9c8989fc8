import Documents

extension Cluster {
  /// The line of a file that says what a device costs, and from which list.
  ///
  /// It is a cluster's own key, which no section brings along. Nil where nobody says.
  public var priceLine: String? {
    price.map { price in
      switch price.origin {
      case .source(let text): "price: {value: \(price.value), source: \(JSONValue.quoted(text))}"
      case .assumption(let text):
        "price: {value: \(price.value), assumption: \(JSONValue.quoted(text))}"
      case .unstated: "price: \(price.value)"
      }
    }
  }
}
