//! One mail at a time on a machine that does nothing else, connections open: what each step takes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::report::{Figures, median};

/// The steps of a mail, as the client waits for them.
pub const STEPS: [&str; 4] = ["MAIL", "RCPT", "DATA", "dot"];

/// An open connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    mail: String,
}

impl Client {
    /// Past EHLO.
    pub fn connect(server: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(server).map_err(|error| error.to_string())?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(30))));
        set.map_err(|error| error.to_string())?;
        let line = format!("{}\r\n", "x".repeat(70));
        let header = "From: anna@voorbeeld.example\r\nTo: jan@example.nl\r\nSubject: een\r\n\r\n";
        let mail = format!("{header}{}.\r\n", line.repeat(4096 / line.len()));
        let mut client = Self { stream: BufReader::new(stream), mail };
        client.reply(220)?;
        client.say("EHLO bank.voorbeeld.example\r\n", 250)?;
        Ok(client)
    }

    /// Sends one mail: how long each of [`STEPS`] took.
    pub fn send(&mut self) -> Result<[Duration; 4], String> {
        let mail = self.mail.clone();
        Ok([
            self.say("MAIL FROM:<anna@voorbeeld.example>\r\n", 250)?,
            self.say("RCPT TO:<jan@example.nl>\r\n", 250)?,
            self.say("DATA\r\n", 354)?,
            self.say(&mail, 250)?,
        ])
    }

    fn say(&mut self, text: &str, code: u16) -> Result<Duration, String> {
        let begin = Instant::now();
        self.stream.get_mut().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        self.reply(code)?;
        Ok(begin.elapsed())
    }

    fn reply(&mut self, code: u16) -> Result<(), String> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).map_err(|error| error.to_string())?;
            if !line.starts_with(&code.to_string()) {
                return Err(format!("{code} expected: {line}"));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// Medians of the steps and of their sum over `mails` mails to each server, by turns of ten.
pub fn measure(servers: &[(&'static str, SocketAddr)], mails: usize) -> Vec<(&'static str, Result<Figures, String>)> {
    let mut clients: Vec<_> =
        servers.iter().map(|(name, server)| (*name, Client::connect(*server), Vec::new())).collect();
    for _ in 0..mails.div_ceil(10) {
        for (_, client, times) in &mut clients {
            let Ok(open) = client else { continue };
            let sent: Result<Vec<_>, _> = (0..10).map(|_| open.send()).collect();
            match sent {
                Ok(sent) => times.extend(sent),
                Err(error) => *client = Err(error),
            }
        }
    }
    let of = |times: &[[Duration; 4]]| {
        let micros = |pick: &dyn Fn(&[Duration; 4]) -> Duration| {
            median(times.iter().map(|steps| pick(steps).as_secs_f64() * 1e6).collect())
        };
        let mut figures: Figures = STEPS
            .iter()
            .enumerate()
            .map(|(at, step)| (*step, micros(&|steps| steps.get(at).copied().unwrap_or_default())))
            .collect();
        figures.push(("total", micros(&|steps| steps.iter().sum())));
        figures
    };
    clients.into_iter().map(|(name, client, times)| (name, client.map(|_| of(&times)))).collect()
}
