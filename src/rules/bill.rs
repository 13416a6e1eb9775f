//! Computes the monthly cost of a subscription from Stripe's subscription object,
//! <https://docs.stripe.com/api/subscriptions/object> (semantics D30).

use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::model::EventTime;

/// Amounts a month in whole units of the subscription's currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bill {
    /// List price of one unit of the first item.
    pub(super) price: f64,
    /// List price of all items times their quantities.
    pub(super) list: f64,
    /// The same less the discounts that still apply; none if a discount cannot be read.
    pub(super) mrr: Option<f64>,
}

/// Stripe states amounts in the smallest unit of the currency: a hundredth for most currencies, and for ISK and UGX too,
/// although they have no decimals. These currencies have no smaller unit. <https://docs.stripe.com/currencies#zero-decimal>
const WHOLE: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
/// The smallest unit of these currencies is a thousandth.
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// Reads a subscription as it was at a time; none if an item is tiered, metered or cannot be read.
pub(super) fn read(subscription: &Value, at: EventTime) -> Option<Bill> {
    let currency = text(&subscription["currency"])?;
    let unit = if WHOLE.contains(&currency) {
        1.0
    } else if THOUSANDTHS.contains(&currency) {
        1_000.0
    } else {
        100.0
    };
    let items = subscription["items"]["data"].as_array().filter(|items| !items.is_empty())?;
    if subscription["items"]["has_more"] == true {
        return None;
    }
    let items: Vec<Item<'_>> = items.iter().map(|item| Item::read(item, currency, unit)).collect::<Option<_>>()?;
    let first = items.first()?;
    let list = items.iter().map(Item::list).sum();
    Some(Bill { price: first.price(), list, mrr: after_discounts(subscription, &items, currency, at) })
}

/// What is billed for one item of a subscription.
struct Item<'a> {
    json: &'a Value,
    product: &'a str,
    /// The price of one unit for one period, in the smallest unit of the currency.
    amount: f64,
    quantity: f64,
    /// Converts an amount of a period to whole units of the currency a month: a numerator and a denominator, because
    /// dividing by 100 is exact to the nearest number and multiplying by 0.01 is not.
    per_month: (f64, f64),
}

impl<'a> Item<'a> {
    fn read(json: &'a Value, currency: &str, unit: f64) -> Option<Item<'a>> {
        // Older versions of the API have a `plan` instead of a `price`, with the same meaning.
        let (price, amount) = match &json["price"] {
            Value::Null => (&json["plan"], "amount"),
            price => (price, "unit_amount"),
        };
        let recurring = if price["recurring"].is_null() { price } else { &price["recurring"] };
        let is_flat = |value: &Value, word: &str| value.is_null() || value == word;
        if !is_flat(&price["billing_scheme"], "per_unit")
            || !is_flat(&recurring["usage_type"], "licensed")
            || !is_flat(&price["currency"], currency)
        {
            return None;
        }
        let periods = positive(&recurring["interval_count"], 1.0)?;
        let (above, below) = match text(&recurring["interval"])? {
            "month" => (1.0, 1.0),
            "year" => (1.0, 12.0),
            "week" => (52.0, 12.0),
            "day" => (365.0, 12.0),
            _ => return None,
        };
        Some(Item {
            json,
            product: text(&price["product"]).unwrap_or_default(),
            amount: match &price[format!("{amount}_decimal")] {
                Value::Null => price[amount].as_f64(),
                decimal => number(decimal),
            }
            .filter(|amount| *amount >= 0.0)?,
            quantity: packages(json["quantity"].as_f64().filter(|it| *it >= 0.0)?, &price["transform_quantity"])?,
            per_month: (above, below * unit * periods),
        })
    }

    fn by_the_month(&self, amount: f64) -> f64 {
        amount * self.per_month.0 / self.per_month.1
    }

    fn price(&self) -> f64 {
        self.by_the_month(self.amount)
    }

    fn list(&self) -> f64 {
        self.by_the_month(self.amount * self.quantity)
    }
}

/// The number of packages in a quantity, if the price is for a package of several units.
fn packages(quantity: f64, transform: &Value) -> Option<f64> {
    if transform.is_null() {
        return Some(quantity);
    }
    let packages = quantity / positive(&transform["divide_by"], 0.0)?;
    match text(&transform["round"])? {
        "up" => Some(libm::ceil(packages)),
        "down" => Some(libm::floor(packages)),
        _ => None,
    }
}

/// Subtracts the discounts: first those of items, then those of the subscription, each from what is left.
fn after_discounts(subscription: &Value, items: &[Item<'_>], currency: &str, at: EventTime) -> Option<f64> {
    let mut left: Vec<f64> = items.iter().map(Item::list).collect();
    for (place, item) in items.iter().enumerate() {
        for coupon in lasting(item.json, at)? {
            take_off(coupon, std::slice::from_ref(item), &mut left[place..=place], currency)?;
        }
    }
    for coupon in lasting(subscription, at)? {
        take_off(coupon, items, &mut left, currency)?;
    }
    Some(left.iter().sum())
}

/// The coupons of an object that still run at a time, in the order in which they are subtracted. None if one cannot
/// be read: events may carry its id alone, without its value.
fn lasting(of: &Value, at: EventTime) -> Option<Vec<&Value>> {
    // Events of older versions of the API contain a single discount twice: in full, and as an id in the list.
    let single = Some(&of["discount"]).filter(|single| !single.is_null());
    let listed = of["discounts"].as_array().map_or(&[][..], Vec::as_slice);
    let mut discounts = Vec::new();
    for discount in listed {
        discounts.push(if discount.is_string() {
            single.filter(|single| single["id"] == *discount)?
        } else {
            discount
        });
    }
    if let Some(single) = single
        && !discounts.iter().any(|known| known["id"] == single["id"])
    {
        discounts.push(single);
    }
    let mut coupons = Vec::new();
    for discount in &discounts {
        // Newer versions of the API put the coupon under its source.
        let coupon = discount.get("source").and_then(|source| source.get("coupon")).or(discount.get("coupon"))?;
        let runs = match text(&coupon["duration"])? {
            "forever" => true,
            "repeating" => at < end(discount, coupon)?,
            "once" => false,
            _ => return None,
        };
        coupons.extend(runs.then_some(coupon));
    }
    Some(coupons)
}

/// When a repeating discount ends: at `end`, in seconds since 1970, or `duration_in_months` after its start.
fn end(discount: &Value, coupon: &Value) -> Option<EventTime> {
    if let Some(end) = discount["end"].as_f64() {
        return EventTime::new((end as i64).saturating_mul(1_000));
    }
    let start = Timestamp::from_second(discount["start"].as_f64()? as i64).ok()?;
    let months = Span::new().try_months(coupon["duration_in_months"].as_f64()? as i64).ok()?;
    let end = start.to_zoned_datetime(TimeZone::UTC).checked_add(months).ok()?;
    EventTime::new(end.timestamp().as_millisecond())
}

/// Subtracts a coupon from what is left of some items.
fn take_off(coupon: &Value, items: &[Item<'_>], left: &mut [f64], currency: &str) -> Option<()> {
    let products = coupon["applies_to"]["products"].as_array();
    let concerns = |item: &Item<'_>| products.is_none_or(|products| products.iter().any(|it| it == item.product));
    if let Some(percent) = coupon["percent_off"].as_f64() {
        let kept = 100.0 - percent.clamp(0.0, 100.0);
        let concerned = items.iter().zip(left).filter(|(item, _)| concerns(item));
        concerned.for_each(|(_, left)| *left = *left * kept / 100.0);
        return Some(());
    }
    let amount = if coupon["currency"] == currency {
        coupon["amount_off"].as_f64()?
    } else {
        coupon["currency_options"][currency]["amount_off"].as_f64()?
    };
    // An amount is subtracted from every invoice, and items with different intervals are on different invoices.
    let mut concerned = items.iter().zip(left).filter(|(item, _)| concerns(item)).peekable();
    let Some(first) = concerned.peek().map(|(item, _)| *item) else { return Some(()) };
    let mut off = first.by_the_month(amount);
    for (item, left) in concerned {
        if item.per_month != first.per_month {
            return None;
        }
        let taken = off.clamp(0.0, *left);
        (*left, off) = (*left - taken, off - taken);
    }
    Some(())
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// A number, also if it is written as a text.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.filter(|number: &f64| number.is_finite())
}

/// A positive number; if it is missing, `default`, if that is positive.
fn positive(value: &Value, default: f64) -> Option<f64> {
    let number = if value.is_null() { Some(default) } else { value.as_f64() };
    number.filter(|number| *number > 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: EventTime = EventTime(1_791_190_800_000);

    fn item(price: Value, quantity: u32) -> Value {
        let mut price = price;
        let recurring = json!({"interval": "month", "interval_count": 1, "usage_type": "licensed"});
        price.as_object_mut().unwrap().entry("recurring").or_insert(recurring);
        json!({"price": price, "quantity": quantity})
    }

    fn subscription(items: &[Value], discounts: Value) -> Value {
        json!({"currency": "usd", "items": {"data": items}, "discounts": discounts})
    }

    fn mrr(subscription: &Value) -> Option<f64> {
        read(subscription, AT).and_then(|bill| bill.mrr)
    }

    fn coupon(what: Value) -> Value {
        let mut coupon = what;
        coupon.as_object_mut().unwrap().entry("duration").or_insert(json!("forever"));
        json!([{"id": "di_1", "coupon": coupon}])
    }

    #[test]
    fn all_items_count_by_the_month() {
        let yearly = json!({"unit_amount": 120_000, "recurring": {"interval": "year"}});
        let items = [item(json!({"unit_amount": 1_000}), 3), item(yearly, 2)];
        let bill = read(&subscription(&items, json!([])), AT).unwrap();
        assert_eq!(bill, Bill { price: 10.0, list: 230.0, mrr: Some(230.0) });
    }

    #[test]
    fn the_decimal_form_goes_before_the_rounded_one() {
        let price = json!({"unit_amount": 1, "unit_amount_decimal": "0.5"});
        assert_eq!(mrr(&subscription(&[item(price, 1_000)], json!([]))), Some(5.0));
        let only_decimal = json!({"unit_amount": null, "unit_amount_decimal": "0.25"});
        assert_eq!(mrr(&subscription(&[item(only_decimal, 1_000)], json!([]))), Some(2.5));
    }

    #[test]
    fn items_of_before_prices_have_a_plan() {
        let items = [json!({"plan": {"amount": 1_200, "interval": "year", "interval_count": 1}, "quantity": 5})];
        assert_eq!(mrr(&subscription(&items, json!([]))), Some(5.0));
    }

    #[test]
    fn a_price_may_be_for_a_package() {
        let of_ten = |round| json!({"unit_amount": 500, "transform_quantity": {"divide_by": 10, "round": round}});
        assert_eq!(mrr(&subscription(&[item(of_ten("up"), 21)], json!([]))), Some(15.0));
        assert_eq!(mrr(&subscription(&[item(of_ten("down"), 21)], json!([]))), Some(10.0));
    }

    #[test]
    fn what_cannot_be_read_makes_the_sum_unknown() {
        let good = || item(json!({"unit_amount": 1_000}), 3);
        let metered = json!({"unit_amount": 5, "recurring": {"interval": "month", "usage_type": "metered"}});
        for bad in [
            item(json!({"unit_amount": null, "billing_scheme": "tiered"}), 1),
            item(json!({"unit_amount": 5, "billing_scheme": "tiered"}), 1),
            item(metered, 1),
            item(json!({"unit_amount": null}), 1),
            item(json!({"unit_amount": 5, "currency": "eur"}), 1),
            item(json!({"unit_amount": 5, "recurring": {"interval": "moon"}}), 1),
            json!({"price": {"unit_amount": 5, "recurring": {"interval": "month"}}}),
        ] {
            assert_eq!(mrr(&subscription(&[good(), bad.clone()], json!([]))), None, "{bad}");
        }
        let mut more = subscription(&[good()], json!([]));
        more["items"]["has_more"] = json!(true);
        assert_eq!(mrr(&more), None);
        assert_eq!(mrr(&subscription(&[], json!([]))), None);
    }

    #[test]
    fn discounts_that_last_are_taken_off() {
        let of = |discounts: Value| mrr(&subscription(&[item(json!({"unit_amount": 1_000}), 10)], discounts));
        let until = |end: i64| json!([{"end": end, "coupon": {"percent_off": 50, "duration": "repeating"}}]);
        let seconds = AT.0 / 1_000;
        for (discounts, expected) in [
            (coupon(json!({"percent_off": 100.0})), Some(0.0)),
            (coupon(json!({"percent_off": 12.5})), Some(87.5)),
            (coupon(json!({"amount_off": 2_500, "currency": "usd"})), Some(75.0)),
            (coupon(json!({"amount_off": 99_999, "currency": "usd"})), Some(0.0)),
            (coupon(json!({"amount_off": 2_500, "currency": "eur"})), None),
            (coupon(json!({"percent_off": 50, "duration": "once"})), Some(100.0)),
            (until(seconds + 1), Some(50.0)),
            (until(seconds), Some(100.0)),
            (json!([{"source": {"coupon": {"percent_off": 20, "duration": "forever"}}}]), Some(80.0)),
            (json!([{"source": {"coupon": "startup"}}]), None),
            (json!(["di_1"]), None),
        ] {
            assert_eq!(of(discounts.clone()), expected, "{discounts}");
        }
    }

    #[test]
    fn a_discount_for_months_ends_so_many_months_after_its_start() {
        let from = |start: i64| {
            let coupon = json!({"percent_off": 50, "duration": "repeating", "duration_in_months": 3});
            mrr(&subscription(&[item(json!({"unit_amount": 1_000}), 10)], json!([{"start": start, "coupon": coupon}])))
        };
        assert_eq!(from(AT.0 / 1_000 - 91 * 86_400), Some(50.0), "since 2026-07-06");
        assert_eq!(from(AT.0 / 1_000 - 93 * 86_400), Some(100.0), "since 2026-07-04");
    }

    #[test]
    fn a_discount_named_twice_counts_once() {
        let mut it = subscription(&[item(json!({"unit_amount": 1_000}), 10)], json!(["di_1"]));
        it["discount"] = json!({"id": "di_1", "coupon": {"percent_off": 10, "duration": "forever"}});
        assert_eq!(mrr(&it), Some(90.0));
        it["discounts"] = json!(["di_1", "di_2"]);
        assert_eq!(mrr(&it), None, "nothing says what the second is worth");
    }

    #[test]
    fn discounts_of_items_come_before_those_of_the_subscription() {
        let mut discounted = item(json!({"unit_amount": 1_000, "product": "seats"}), 10);
        discounted["discounts"] = coupon(json!({"percent_off": 50}));
        let other = item(json!({"unit_amount": 10_000, "product": "base"}), 1);
        let off = |what| mrr(&subscription(&[discounted.clone(), other.clone()], coupon(what)));
        assert_eq!(off(json!({"percent_off": 10})), Some(135.0));
        assert_eq!(off(json!({"percent_off": 10, "applies_to": {"products": ["base"]}})), Some(140.0));
        assert_eq!(off(json!({"amount_off": 6_000, "currency": "usd"})), Some(90.0));
    }

    #[test]
    fn an_amount_off_a_yearly_bill_is_a_twelfth_of_it_by_the_month() {
        let yearly = item(json!({"unit_amount": 120_000, "recurring": {"interval": "year"}}), 1);
        let off = coupon(json!({"amount_off": 60_000, "currency": "usd"}));
        assert_eq!(mrr(&subscription(std::slice::from_ref(&yearly), off.clone())), Some(50.0));
        let monthly = item(json!({"unit_amount": 1_000}), 1);
        assert_eq!(mrr(&subscription(&[yearly, monthly], off)), None, "two bills");
    }
}
