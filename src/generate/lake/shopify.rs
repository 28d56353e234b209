//! Orders as Shopify exports them: a row per line item, what is about the order on its first row only;
//! and the fulfilment events of its API, which tell of the parcel.

use chrono::{DateTime, FixedOffset};
use chrono_tz::Europe::Madrid;
use csv::Writer;
use serde_json::{Value, json};

use super::super::exports::{Opener, unwritten};
use super::super::journey::{HOUR, Journey, PRODUCTS, REGIONS, midnight};
use super::super::{File, Result};
use super::pages::Page;
use super::{Night, Order, email, order_name};

const HEADER: &str = "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,\
    Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,\
    Lineitem quantity,Lineitem name,Lineitem price,Lineitem compare at price,Lineitem sku,\
    Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,Billing Name,Billing Street,\
    Billing Address1,Billing Address2,Billing Company,Billing City,Billing Zip,Billing Province,\
    Billing Country,Billing Phone,Shipping Name,Shipping Street,Shipping Address1,Shipping Address2,\
    Shipping Company,Shipping City,Shipping Zip,Shipping Province,Shipping Country,Shipping Phone,Notes,\
    Note Attributes,Cancelled at,Payment Method,Payment Reference,Refunded Amount,Vendor,\
    Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,Lineitem discount,Tax 1 Name,\
    Tax 1 Value,Tax 2 Name,Tax 2 Value,Tax 3 Name,Tax 3 Value,Tax 4 Name,Tax 4 Value,Tax 5 Name,\
    Tax 5 Value,Phone,Receipt Number,Duties,Billing Province Name,Shipping Province Name,Payment ID,\
    Payment Terms Name,Next Payment Due At,Payment References";

/// The file of all orders up to a night.
pub(super) struct Orders {
    night: Night,
    columns: Vec<&'static str>,
    file: Writer<File>,
}

impl Orders {
    pub fn new(opener: &mut Opener, night: Night) -> Result<Self> {
        let path = format!("exports/shopify/orders/{}/orders_export_1.csv", night.day);
        let mut file = Writer::from_writer(opener.open(path)?);
        let columns: Vec<&str> = HEADER.split(',').map(str::trim).collect();
        file.write_record(&columns).map_err(unwritten("shopify"))?;
        Ok(Orders { night, columns, file })
    }

    pub fn write(&mut self, order: &Order) -> Result<()> {
        let journey = order.journey;
        let name = order_name(order.number);
        let address = shown_email(order.customer);
        let is_there = journey.delivered.is_some_and(|when| when < self.night.cut);
        let created = clock(journey.ordered);
        let region = REGIONS[(journey.store - 1) / 8].0;
        let total = money(journey.cents);
        let items = 1 + order.number % 3;
        for item in 1..=items {
            // The last item takes what is left over.
            let share = journey.cents / items as u32;
            let price = if item == items { journey.cents - share * (items as u32 - 1) } else { share };
            let zip = format!("'{:05}", 1_000 + journey.store * 37);
            let mut cells = vec![
                ("Name", name.clone()),
                ("Email", address.clone()),
                ("Created at", created.clone()),
                ("Lineitem quantity", "1".into()),
                ("Lineitem name", format!("{} no. {item}", PRODUCTS[journey.product].0)),
                ("Lineitem price", money(price)),
                ("Lineitem requires shipping", "true".into()),
                ("Lineitem taxable", "true".into()),
                ("Lineitem fulfillment status", if is_there { "fulfilled" } else { "pending" }.into()),
                ("Vendor", "Shop".into()),
                ("Lineitem discount", "0.00".into()),
            ];
            if item == 1 {
                cells.extend([
                    ("Financial Status", "paid".into()),
                    ("Paid at", created.clone()),
                    ("Fulfillment Status", if is_there { "fulfilled" } else { "unfulfilled" }.into()),
                    ("Currency", "EUR".into()),
                    ("Subtotal", total.clone()),
                    ("Shipping", "0.00".into()),
                    ("Taxes", "0.00".into()),
                    ("Total", total.clone()),
                    ("Billing Zip", zip.clone()),
                    ("Billing Phone", format!("'+34600{:06}", order.customer)),
                    ("Shipping Zip", zip),
                    ("Shipping Province", region.into()),
                    ("Shipping Country", "ES".into()),
                    ("Refunded Amount", "0.00".into()),
                    ("Location", format!("s{:02}", journey.store)),
                    ("Id", id(order.number).to_string()),
                    ("Risk Level", "Low".into()),
                    ("Source", source(journey.sales_channel).into()),
                ]);
            }
            let cell = |column: &&str| {
                cells.iter().find(|(name, _)| name == column).map_or("", |(_, value)| value.as_str())
            };
            self.file.write_record(self.columns.iter().map(cell)).map_err(unwritten("shopify"))?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(unwritten("shopify"))
    }
}

/// What parcels went through, in pages.
pub(super) struct Parcels {
    night: Night,
    page: Page,
}

impl Parcels {
    pub fn new(night: Night) -> Self {
        let folder = format!("exports/shopify/fulfillment_events/{}", night.day);
        Parcels { night, page: Page::new(folder, "fulfillment_events", &[]) }
    }

    pub fn write(&mut self, opener: &mut Opener, order: &Order) -> Result<()> {
        let journey = order.journey;
        let promise = clock_iso(midnight(journey.promised));
        let confirmed = (confirmed(journey), "confirmed", Some(promise));
        let delivered = journey.delivered.map(|when| (when, "delivered", None));
        for (when, status, estimate) in [Some(confirmed), delivered].into_iter().flatten() {
            if when >= self.night.since && when < self.night.cut {
                self.page.push(opener, event(order, when, status, estimate.as_deref()))?;
            }
        }
        Ok(())
    }

    pub fn finish(self, opener: &mut Opener) -> Result<()> {
        self.page.finish(opener)
    }
}

fn event(order: &Order, when: i64, status: &str, estimate: Option<&str>) -> Value {
    let is_last = u64::from(status == "delivered");
    let when = clock_iso(when);
    json!({
        "id": 944_000_000_000 + order.number * 10 + is_last,
        "fulfillment_id": 255_000_000_000 + order.number,
        "status": status,
        "message": null,
        "happened_at": when,
        "city": null,
        "province": null,
        "country": "ES",
        "zip": null,
        "address1": null,
        "latitude": null,
        "longitude": null,
        "shop_id": 548_380_009_u64,
        "created_at": when,
        "updated_at": when,
        "estimated_delivery_at": estimate,
        "order_id": id(order.number),
        "admin_graphql_api_id": null,
    })
}

/// When the parcel is announced, and the promise with it.
pub(super) fn confirmed(journey: &Journey) -> i64 {
    journey.ordered + HOUR
}

/// Where an order came from, in Shopify's words.
pub(super) fn source(channel: &str) -> &'static str {
    match channel {
        "store" => "pos",
        "app" => "iphone",
        _ => "web",
    }
}

pub(super) fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn id(order: u64) -> u64 {
    5_410_000_000_000 + order
}

/// The address as its customer typed it.
fn shown_email(customer: u64) -> String {
    if customer.is_multiple_of(3) { email(customer).to_uppercase() } else { email(customer) }
}

fn in_the_shop(when: i64) -> DateTime<FixedOffset> {
    let utc = DateTime::from_timestamp(when, 0).expect("a time of this world");
    utc.with_timezone(&Madrid).fixed_offset()
}

/// `2026-10-27 09:12:30 +0100`
fn clock(when: i64) -> String {
    in_the_shop(when).format("%Y-%m-%d %H:%M:%S %z").to_string()
}

/// `2026-10-27T09:12:30+01:00`
fn clock_iso(when: i64) -> String {
    in_the_shop(when).to_rfc3339()
}
