/// A number with three significant figures: `1.23`, `12.3`, `123`; `1.23e7` from 10,000 on.
///
/// Rounds half to even, as `Double.rounded(.toNearestOrEven)` does; needs no locale.
public func threeFigures(_ value: Double) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  let magnitude = value.magnitude
  if magnitude == 0 { return "0" }
  if magnitude >= 9999.5 || magnitude < 0.000_999_5 { return scientific(value) }
  if magnitude >= 999.5 { return String(Int(value.rounded())) }
  var decimals = 2
  var limit = 9.995
  while magnitude >= limit, decimals > 0 {
    decimals -= 1
    limit = decimals == 1 ? 99.95 : 999.5
  }
  var floor = 0.9995
  while magnitude < floor {
    decimals += 1
    floor /= 10
  }
  return fixed(value, decimals: decimals)
}

/// A number with a fixed count of digits behind the point.
public func fixed(_ value: Double, decimals: Int) -> String {
  precondition(decimals >= 0 && decimals <= 12)
  guard value.isFinite, value.magnitude < 1e15 else { return scientific(value) }
  let scale = (0..<decimals).reduce(1.0) { power, _ in power * 10 }
  let scaled = (value.magnitude * scale).rounded(.toNearestOrEven)
  guard scaled < 0x1p63 else { return scientific(value) }
  let digits = String(Int64(scaled))
  let padding = String(repeating: "0", count: max(0, decimals + 1 - digits.count))
  let padded = padding + digits
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard decimals > 0 else { return sign + padded }
  return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
}

private func scientific(_ value: Double) -> String {
  guard value.isFinite else { return "\(value)" }
  var exponent = 0
  var mantissa = value.magnitude
  while mantissa >= 9.995 {
    mantissa /= 10
    exponent += 1
  }
  while mantissa < 0.9995 {
    mantissa *= 10
    exponent -= 1
  }
  return "\(value < 0 ? "-" : "")\(fixed(mantissa, decimals: 2))e\(exponent)"
}

/// `value` in the largest of `names` that leaves at least one, each being `step` of the one before.
func inPrefixedUnits(_ value: Double, step: Double, names: [String]) -> String {
  var scaled = value
  var name = names[0]
  for larger in names.dropFirst() {
    // 999.5 would round up to a fourth figure: the next unit says it in three.
    guard scaled.magnitude >= (step == 1000 ? 999.5 : step) else { break }
    scaled /= step
    name = larger
  }
  let isWhole = scaled.rounded() == scaled && scaled.magnitude < 10000
  return "\(isWhole ? String(Int(scaled)) : threeFigures(scaled)) \(name)"
}

/// A time in the unit that people would use: from picoseconds to days.
func describeTime(_ seconds: Double) -> String {
  let magnitude = seconds.magnitude
  if magnitude == 0 { return "0 s" }
  if magnitude >= 172_800 { return "\(threeFigures(seconds / 86400)) d" }
  if magnitude >= 7200 { return "\(threeFigures(seconds / 3600)) h" }
  if magnitude >= 120 { return "\(threeFigures(seconds / 60)) min" }
  if magnitude >= 0.9995 { return "\(threeFigures(seconds)) s" }
  return inPrefixedUnits(seconds * 1e12, step: 1000, names: ["ps", "ns", "us", "ms", "s"])
}
