import Quantities

/// A whole number with commas between thousands: `129,280`.
public func grouped(_ number: Int) -> String {
  let digits = Array(String(number.magnitude))
  var result = number < 0 ? "-" : ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { result += "," }
    result.append(digit)
  }
  return result
}

/// A count of parameters in the unit that the field uses, with two decimals: `671.03 B`.
func parameterText(_ count: Int) -> String {
  let value = Double(count)
  switch value {
  case ..<1e6: return grouped(count)
  case ..<1e9: return fixed(value / 1e6, decimals: 2) + " M"
  case ..<1e12: return fixed(value / 1e9, decimals: 2) + " B"
  default: return fixed(value / 1e12, decimals: 2) + " T"
  }
}

/// A share as a percentage with one decimal: `12.5 %`.
func percent(_ share: Double, decimals: Int = 1) -> String {
  fixed(share * 100, decimals: decimals) + " %"
}

/// `1 stage`, `2 stages`.
func counted(_ count: Int, _ noun: String, plural: String? = nil) -> String {
  "\(grouped(count)) \(count == 1 ? noun : plural ?? noun + "s")"
}

/// A large number in the short form of the field: `14.8 T`, `2.79 M`.
func large(_ value: Double) -> String {
  let units: [(Double, String)] = [(1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")]
  for (size, name) in units where value >= size * 0.9995 {
    return threeFigures(value / size) + name
  }
  return threeFigures(value)
}

/// Tokens a second of one device: in full up to four digits, then in the short form.
func tokenRate(_ value: Double) -> String {
  value < 9999.5 ? threeFigures(value) : large(value)
}
