//! Exact amounts of a line: what its unit contains is converted, unlike units are never added (DOMAIN §1.8).

use serde_json::Value;

use super::statement::parse;
use crate::event::scalars::Quantity;

/// In how many parts a contained unit is counted.
const PARTS: u128 = 100_000_000;

/// An amount of one line: hundred-millionths of what its unit contains, or of its unit where that contains nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(u128);

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Adds; stays at the greatest amount rather than pass it.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Subtracts; zero rather than less.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns it so many times; `None` where that is no exact number of parts.
    #[must_use]
    pub fn times(self, count: Quantity) -> Option<Self> {
        let product = self.0.checked_mul(u128::from(count.ten_thousandths()))?;
        product.is_multiple_of(10_000).then_some(Self(product / 10_000))
    }

    /// Tells whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// How a line is counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measure {
    /// Its unit.
    pub unit: Option<String>,
    /// How many of which unit one of it contains.
    pub contains: Option<(Quantity, String)>,
}

impl Measure {
    /// Reads how a line is counted.
    #[must_use]
    pub fn of_line(line: &Value) -> Self {
        let unit = |object: &Value| object.get("unit").and_then(Value::as_str).map(str::to_owned);
        let contains = line.get("contains").and_then(|inner| Some((parse(inner, "quantity")?, unit(inner)?)));
        Self { unit: unit(line), contains: contains.filter(|(quantity, _)| *quantity > Quantity::ZERO) }
    }

    fn per_unit(&self) -> u128 {
        self.contains.as_ref().map_or(10_000, |(quantity, _)| u128::from(quantity.ten_thousandths()))
    }

    /// Converts an amount; without a unit it is in the line's. `None` where the unit is neither the line's nor what
    /// that contains.
    #[must_use]
    pub fn exact(&self, quantity: Quantity, unit: Option<&str>) -> Option<Exact> {
        let amount = u128::from(quantity.ten_thousandths());
        if unit.is_none() || unit == self.unit.as_deref() {
            return Some(Exact(amount * self.per_unit()));
        }
        let inner = self.contains.as_ref().map(|(_, unit)| unit.as_str());
        (unit == inner).then_some(Exact(amount * 10_000))
    }

    /// Returns so many of the line's unit.
    #[must_use]
    pub fn whole(&self, count: usize) -> Exact {
        let count = u128::try_from(count).unwrap_or(u128::MAX);
        Exact(count.saturating_mul(10_000).saturating_mul(self.per_unit()))
    }

    /// Returns the amount in the line's unit, where four decimals can say it.
    #[must_use]
    pub fn quantity(&self, amount: Exact) -> Option<Quantity> {
        let per_unit = self.per_unit();
        let exact = amount.0.is_multiple_of(per_unit);
        exact.then(|| u64::try_from(amount.0 / per_unit).ok()).flatten().and_then(Quantity::from_ten_thousandths)
    }

    /// Writes an amount with its unit, exactly.
    #[must_use]
    pub fn show(&self, amount: Exact) -> String {
        let unit = self.unit.as_deref().unwrap_or("of an unknown unit");
        if let Some(quantity) = self.quantity(amount) {
            return format!("{quantity} {unit}");
        }
        let inner = self.contains.as_ref().map_or(unit, |(_, inner)| inner);
        let decimals = format!("{:08}", amount.0 % PARTS);
        let decimals = decimals.trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        format!("{}{point}{decimals} {inner}", amount.0 / PARTS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn q(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_unit_contains_is_converted_and_nothing_else() {
        let boxes = Measure::of_line(&json!({ "unit": "BX", "contains": { "quantity": "12", "unit": "EA" } }));
        let two = boxes.exact(q("2"), None).unwrap();
        assert_eq!(boxes.exact(q("24"), Some("EA")), Some(two));
        assert_eq!(boxes.exact(q("1"), Some("KG")), None);
        let got = boxes.exact(q("23"), Some("EA")).unwrap();
        assert_eq!(boxes.show(two.less(got)), "1 EA", "a twelfth of a box has no four decimals");
        assert_eq!(boxes.show(boxes.exact(q("6"), Some("EA")).unwrap()), "0.5 BX");
        let fine = Measure::of_line(&json!({ "unit": "BX", "contains": { "quantity": "0.0003", "unit": "LB" } }));
        assert_eq!(fine.show(fine.exact(q("0.0001"), Some("LB")).unwrap()), "0.0001 LB");
        let plain = Measure::of_line(&json!({ "unit": "EA" }));
        let most = plain.exact(q("999999999999999.9999"), None).unwrap();
        assert_eq!(plain.show(most), "999999999999999.9999 EA");
        assert!(most.plus(most) > most);
    }
}
